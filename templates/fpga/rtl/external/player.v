// Plays a program of the external memory (docs/player.md): loads passes, gathers their inputs out of what was captured
// before and captures what they give, without the host.
module player #(
    parameter AW = 21,                 // bits of a word's address in the external memory
    parameter IW = 10                  // and of one in an input bitmap
) (
    input  wire          clk,
    input  wire          rst,
    input  wire          play,         // pulses: the program at `from`
    input  wire [AW-1:0] from,
    input  wire          stop,
    output wire          playing,      // what follows is the player's
    output wire          failed,       // it met what cannot be; until the next `play`
    // external memory
    output wire          mem_valid,
    input  wire          mem_ready,
    output wire          mem_write,
    output wire [AW-1:0] mem_addr,
    output wire [31:0]   mem_wdata,
    input  wire          mem_waits,    // a request that was taken has not reached the memory
    input  wire          mem_got,
    input  wire [31:0]   mem_data,
    // configuration of the fabric
    output wire          cfg_we,
    output wire [31:0]   cfg_addr,
    output wire [31:0]   cfg_wdata,
    input  wire          cfg_in_range,
    // its run
    output wire          run,
    input  wire          cores_busy,
    input  wire [IW-1:0] input_words,
    output wire          in_valid,
    input  wire          in_ready,
    output wire [IW-1:0] in_addr,
    output wire [31:0]   in_data,
    output wire          in_first,
    output wire          in_last,
    // read-out
    output wire          table_clear,
    output wire          table_we,
    output wire [47:0]   table_data,
    input  wire          out_valid,
    output wire          out_ready,
    input  wire [31:0]   out_word,
    input  wire          recorded      // pulses: a step has left
);
    wire          resets, sharing;
    wire [2:0]    ask, asked, arrives;
    wire [AW-1:0] chunk_at, word_at, load_word_at;
    wire [31:0]   arrived;
    wire          write, written;
    wire [AW-1:0] write_at;
    wire [31:0]   write_data;

    memory_share #(.AW(AW)) share (
        .clk(clk), .rst(rst), .busy(sharing), .waits(mem_waits),
        .write_valid(write), .write_ready(written), .write_at(write_at), .write_data(write_data),
        .ask(ask), .ask_at({load_word_at, word_at, chunk_at}), .asked(asked), .arrives(arrives), .data(arrived),
        .mem_valid(mem_valid), .mem_ready(mem_ready), .mem_write(mem_write), .mem_addr(mem_addr), .mem_wdata(mem_wdata),
        .mem_got(mem_got), .mem_data(mem_data)
    );

    // ---------------------------------------------------------------- the program
    wire          words_start, words_valid, program_takes, list_takes, loader_start, loader_busy, loader_bad;
    wire [AW-1:0] words_from, loader_from, capture_from;
    wire [31:0]   words;
    wire          streams_we, streams_advance, streams_by_sample, streams_busy, gather_start, gathered, copies;
    wire          capture_set, capturing, sum_start, sum_anew, sum_busy, input_bad;
    wire [3:0]    streams;
    wire [6:0]    streams_at, field_at;
    wire [15:0]   step;
    wire [4:0]    top_plane;
    wire [20:0]   sum_values;

    play_program #(.AW(AW)) operations (
        .clk(clk), .rst(rst), .play(play), .from(from), .stop(stop), .playing(playing), .failed(failed),
        .resets(resets), .sharing(sharing),
        .words_start(words_start), .words_from(words_from), .words_valid(words_valid), .words_ready(program_takes),
        .words(words), .bad(loader_bad || input_bad),
        .loader_start(loader_start), .loader_from(loader_from), .loader_busy(loader_busy),
        .table_clear(table_clear), .table_we(table_we), .table_data(table_data),
        .streams(streams), .streams_we(streams_we), .streams_at(streams_at), .streams_advance(streams_advance),
        .streams_by_sample(streams_by_sample), .streams_busy(streams_busy),
        .gather_start(gather_start), .gathered(gathered), .step(step), .run(run), .copies(copies),
        .recorded(recorded), .cores_busy(cores_busy),
        .capture_set(capture_set), .capture_from(capture_from), .capturing(capturing),
        .sum_start(sum_start), .sum_anew(sum_anew), .top_plane(top_plane), .sum_values(sum_values), .sum_busy(sum_busy)
    );

    word_reader #(.AW(AW)) program_words (
        .clk(clk), .rst(resets), .start(words_start), .from(words_from), .count(6'd0), .stop(1'b0),
        .ask(ask[1]), .at(word_at), .asked(asked[1]), .arrives(arrives[1]), .data(arrived),
        .valid(words_valid), .ready(program_takes || list_takes), .word(words)
    );

    // ---------------------------------------------------------------- loading; the sources of a sum take its place
    wire          load_start, load_stop, sum_words_start, load_valid, load_takes, sum_takes;
    wire [AW-1:0] load_from, sum_from;
    wire [31:0]   load_words;
    wire [5:0]    sum_count;

    word_reader #(.AW(AW)) loaded_words (
        .clk(clk), .rst(resets), .start(load_start || sum_words_start), .from(sum_busy ? sum_from : load_from),
        .count(sum_busy ? sum_count : 6'd0), .stop(load_stop),
        .ask(ask[2]), .at(load_word_at), .asked(asked[2]), .arrives(arrives[2]), .data(arrived),
        .valid(load_valid), .ready(load_takes || sum_takes), .word(load_words)
    );

    play_loader #(.AW(AW)) loader (
        .clk(clk), .rst(resets), .start(loader_start), .from(loader_from), .busy(loader_busy), .bad(loader_bad),
        .words_start(load_start), .words_from(load_from), .words_stop(load_stop), .words_valid(load_valid),
        .words_ready(load_takes), .words(load_words),
        .cfg_we(cfg_we), .cfg_addr(cfg_addr), .cfg_wdata(cfg_wdata), .cfg_in_range(cfg_in_range)
    );

    // ---------------------------------------------------------------- gathering
    wire [3:0]    stream;
    wire [31:0]   field;
    wire          room, push, bits_valid, bits_ready, bits_whole, bits_end, input_ready, input_ended;
    wire          capture_ready;
    wire [12:0]   chunk;
    wire [31:0]   bits;

    play_streams #(.AW(AW)) places (
        .clk(clk), .rst(resets), .count(streams), .we(streams_we), .wdata(words),
        .at(streams_we ? streams_at : sum_busy ? field_at : {stream, 3'd4}), .found(field),
        .advance(streams_advance), .by_sample(streams_by_sample), .step(step), .busy(streams_busy)
    );

    gather_chunks #(.AW(AW)) chunks (
        .clk(clk), .rst(resets), .start(gather_start),
        .list_valid(words_valid), .list_ready(list_takes), .list_word(words),
        .stream(stream), .silent(field[31]), .stands(field[AW-1:0]),
        .ask(ask[0]), .ask_at(chunk_at), .asked(asked[0]), .room(room), .push(push), .chunk(chunk)
    );

    gather_bits bitmap (
        .clk(clk), .rst(resets), .push(push), .chunk(chunk), .room(room), .arrives(arrives[0]), .data(arrived),
        .valid(bits_valid), .ready(bits_ready), .whole(bits_whole), .word(bits), .ends(bits_end)
    );

    play_input #(.AW(IW)) inputs (
        .clk(clk), .rst(resets || !run), .words(input_words), .first(step == 0),
        .valid(bits_valid && run), .ready(input_ready), .whole(bits_whole), .ends(bits_end), .ended(input_ended),
        .bad(input_bad), .out_valid(in_valid), .out_ready(in_ready), .out_addr(in_addr), .out_first(in_first),
        .out_last(in_last)
    );

    assign in_data    = bits;
    assign bits_ready = copies ? capture_ready || !bits_whole : input_ready;
    assign gathered   = copies ? bits_valid && bits_ready && bits_end : input_ended;

    // ---------------------------------------------------------------- capturing, and sums
    wire          capture_write, sum_write;
    wire [AW-1:0] capture_at, sum_at;
    wire [31:0]   capture_data, sum_data;

    capture #(.AW(AW)) captured (
        .clk(clk), .rst(resets), .set(capture_set), .from(capture_from),
        .valid(copies ? bits_valid && bits_whole : out_valid), .ready(capture_ready), .word(copies ? bits : out_word),
        .write(capture_write), .written(written), .at(capture_at), .data(capture_data)
    );

    sums #(.AW(AW)) adder (
        .clk(clk), .rst(resets), .start(sum_start), .anew(sum_anew), .to(capture_from), .top_plane(top_plane),
        .values(sum_values), .sources(streams), .busy(sum_busy), .field_at(field_at), .field(field),
        .words_start(sum_words_start), .words_from(sum_from), .words_count(sum_count),
        .words_valid(load_valid), .words_ready(sum_takes), .words(load_words),
        .write(sum_write), .written(written && sum_write), .at(sum_at), .data(sum_data)
    );

    assign out_ready  = capture_ready && !copies;
    assign capturing  = capture_write;
    assign write      = capture_write || sum_write;
    assign write_at   = sum_write ? sum_at : capture_at;
    assign write_data = sum_write ? sum_data : capture_data;
endmodule
