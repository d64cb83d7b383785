// A run of bits as those of its words in which there are spikes (as `run_words`, which reads them all): four words are
// looked up at once (`spots`), and of these the ones with spikes are read, one a cycle. Where a pass ends with the run,
// it ends with the last of them, or without a word.
module spotted_words #(
    parameter BW = 14,                     // bits of a bit address within one parity
    parameter RW = 11,                     // bits of a weight row
    parameter PB = 1                       // bits of how a pass ends
) (
    input  wire          clk,
    input  wire          run,
    // the run
    input  wire          valid,
    input  wire          load,             // it is taken, if there is one
    input  wire [2*BW+RW+PB+6:0] place,    // as `run_words` takes it
    // what is looked up, and what was
    output wire          look,
    output wire [BW-5:0] look_at,          // {parity, word}
    input  wire [15:0]   there,
    // its words
    output reg           going,
    input  wire          give,             // goes on
    output wire          leaves,           // with the last one
    output reg           left_job,         // that of the whole job, a cycle ago
    output reg           read,
    output reg  [BW-5:0] raddr,            // {parity, word}
    // the word read
    input  wire [31:0]   rdata,
    output wire          busy,             // one is on the way
    output wire          given,
    output wire [RW+PB+35:0] word          // {row of bit 0, ends, kind, more, fresh, last, first, bits}
);
    // ---------------------------------------------------------------- the run, four words of it at a time
    reg  [BW-6:0] at, stop;                // words
    reg  [4:0]    low, high;               // first and last bit of these
    reg  [RW-1:0] base;                    // weight row of the first word's bit 0
    reg           head, old, sparse, looked;
    reg  [PB-1:0] pass;
    reg  [4:0]    marks;
    reg  [3:0]    left;                    // of the four words, once it is known which have spikes
    wire [BW-6:0] first_word, last_word;
    wire [4:0]    first_bit, last_bit, place_marks;
    wire [RW-1:0] row;
    wire          empty, of_before;
    wire [PB-1:0] pass_ends;
    assign {first_word, first_bit, last_word, last_bit, row, empty, of_before, pass_ends, place_marks} = place;

    wire [BW-6:0] ahead = stop - at;
    wire [BW-6:0] next_four = at + 4;
    wire          final_four = sparse || ahead[BW-6:2] == 0;
    wire [15:0]   from = head ? 16'hFFFF << low[4:3] : 16'hFFFF;
    wire [15:0]   upto = final_four ? 16'hFFFF >> (4'd15 - {ahead[1:0], high[4:3]}) : 16'hFFFF;
    wire [15:0]   here = sparse ? 16'd0 : there & from & upto;
    wire [3:0]    some = looked ? left : {here[15:12] != 0, here[11:8] != 0, here[7:4] != 0, here[3:0] != 0};
    wire [3:0]    lowest = some & (~some + 1'b1);
    wire [3:0]    rest = some & ~lowest;
    wire [1:0]    nth = {some[1:0] == 0, some[0] ? 1'b0 : some[1] || !some[2]};
    wire          through = give && rest == 0;             // with these four words
    wire          ends = final_four && rest == 0;
    wire          row_ends = ends && marks[0];
    wire [PB-1:0] ending = ends ? pass : {PB{1'b0}};

    assign leaves  = through && final_four;
    assign look    = load || through;
    assign look_at = load ? {place_marks[1] ^ of_before, first_word} : {marks[1] ^ old, next_four};

    always @(posedge clk) begin
        if (!run) going <= 1'b0;
        else if (load) going <= valid;
        else if (leaves) going <= 1'b0;
        left_job <= run && leaves && marks[2];
        if (load) begin
            {at, low}    <= {first_word, first_bit};
            {stop, high} <= {last_word, last_bit};
            base         <= row - {{(RW-5){1'b0}}, first_bit};
            {head, looked} <= 2'b10;
            {sparse, old, pass, marks} <= {empty, of_before, pass_ends, place_marks};
        end else if (through) begin
            at     <= next_four;
            base   <= base + 128;
            {head, looked} <= 2'b00;
        end else if (give) begin
            left   <= rest;
            looked <= 1'b1;
        end
    end

    // ---------------------------------------------------------------- the word to be read
    reg           gives, row_ends_then, first_row, last_row;
    reg  [PB-1:0] ending_then;
    reg  [4:0]    cut_low, cut_high;
    reg  [RW-1:0] word_row;

    always @(posedge clk) begin
        gives <= run && give && (some != 0 || row_ends || ending != 0);
        read  <= run && give && some != 0;
        raddr <= {marks[1] ^ old, at + {{(BW-7){1'b0}}, nth}};
        word_row <= base + {{(RW-7){1'b0}}, nth, 5'd0};
        cut_low  <= head && nth == 0 ? low : 5'd0;
        cut_high <= final_four && nth == ahead[1:0] ? high : 5'd31;
        {row_ends_then, ending_then, first_row, last_row} <= {row_ends, ending, marks[4], marks[3]};
    end

    assign busy = gives;

    cut_word #(.RW(RW), .PB(PB)) read_word (
        .clk(clk), .run(run), .moves(1'b1), .give(gives), .any(read), .low(cut_low), .high(cut_high), .row(word_row),
        .row_ends(row_ends_then), .ending(ending_then), .first_row(first_row), .last_row(last_row),
        .rdata(rdata), .given(given), .word(word)
    );
endmodule
