// A job as the bitmap words that its rows read (interface: core.v). Pipelined: words are fetched ahead of the walk,
// into a queue, and the next job may start while the words of the one before still stand there.
module segments #(
    parameter SEGMENTS = 256,
    parameter SPATIAL  = 1,
    parameter QUEUE    = 16,
    parameter PW       = 10,
    parameter RW       = 11,
    parameter MAXIMA   = 0,
    parameter EW       = $clog2(SEGMENTS),
    parameter WORDS    = SPATIAL != 0 ? 4 : 2,
    parameter FW       = SPATIAL != 0 ? 2 : 1,
    parameter MK       = MAXIMA != 0 ? 6 : 4
) (
    input  wire          clk,
    input  wire          run,
    // configuration
    input  wire          we,
    input  wire [EW+FW-1:0] cfg_addr,
    input  wire [31:0]   cfg_wdata,
    output wire [WORDS*32-1:0] cfg_rdata,
    // the job
    input  wire          start,
    input  wire [EW-1:0] first_segment,
    input  wire [EW:0]   count,
    input  wire [RW-1:0] row_step,
    input  wire [11:0]   columns,
    input  wire [11:0]   lines,
    input  wire          parity,
    input  wire          mute_before,
    output wire          idle,
    output wire          busy,
    output wire          fetched,
    // bitmap memory
    output wire          read,
    output wire [PW-1:0] raddr,
    input  wire [31:0]   rdata,
    // words
    output wire          valid,
    input  wire          ready,
    output wire [RW+MK+32:0] word
);
    localparam BW = PW + 4;                // bits of a bit address within one parity
    localparam PB = MK - 3;                // bits of how a pass ends

    // ---------------------------------------------------------------- which segment of which row
    // What the job said at its start.
    reg  [EW-1:0] job_segment;
    reg  [EW:0]   job_count;
    reg  [11:0]   job_columns, job_lines;
    reg  [RW-1:0] job_step;
    reg           job_parity, job_mute;

    always @(posedge clk) if (start) begin
        {job_segment, job_count, job_columns, job_lines} <= {first_segment, count, columns, lines};
        {job_step, job_parity, job_mute} <= {row_step, parity, mute_before};
    end

    wire          active, advance, first_row, last_row, row_ends, job_ends;
    wire [EW-1:0] segment;
    wire [11:0]   column, line;
    wire [RW-1:0] offset;

    assign idle = !active;

    job_rows #(.SPATIAL(SPATIAL), .EW(EW), .RW(RW)) rows (
        .clk(clk), .run(run),
        .start(start), .start_segment(first_segment), .start_count(count), .start_lines(lines),
        .first_segment(job_segment), .count(job_count), .columns(job_columns), .lines(job_lines), .row_step(job_step),
        .active(active), .advance(advance), .segment(segment), .column(column), .line(line), .offset(offset),
        .first_row(first_row), .last_row(last_row), .row_ends(row_ends), .job_ends(job_ends)
    );

    wire          placed, placing;
    wire [2*BW+RW+PB+6:0] place;

    segment_place #(.SEGMENTS(SEGMENTS), .SPATIAL(SPATIAL), .MAXIMA(MAXIMA), .BW(BW), .RW(RW)) list (
        .clk(clk), .run(run), .advance(advance),
        .we(we), .cfg_addr(cfg_addr), .cfg_wdata(cfg_wdata), .cfg_rdata(cfg_rdata),
        .ask(active && advance), .segment(segment), .columns(job_columns), .column(column), .line(line), .offset(offset), .mute(job_mute),
        .marks({first_row, last_row, job_ends, job_parity, row_ends}),
        .valid(placed), .busy(placing), .place(place)
    );

    // ---------------------------------------------------------------- a register, as a place takes long to find
    wire          there, loads;
    wire [2*BW+RW+PB+6:0] place_then;

    register_slice #(.WIDTH(2 * BW + RW + PB + 7)) found (
        .clk(clk), .rst(!run), .in_valid(placed), .in_ready(advance), .in(place),
        .out_valid(there), .out_ready(loads), .out(place_then)
    );

    // ---------------------------------------------------------------- its words, into the queue
    wire          going, sparse, leaves, given;
    wire [$clog2(QUEUE):0] level;
    reg           room;                    // for as many words as may be under way here
    wire          give = going && room;
    wire [RW+MK+32:0] cut;
    reg  [RW+MK+32:0] cut_then, queued;
    reg           given_then, push;

    assign loads = !going || leaves;
    assign read  = give && !sparse;

    run_words #(.BW(BW), .RW(RW), .PB(PB)) words (
        .clk(clk), .run(run), .valid(there), .load(loads), .place(place_then),
        .going(going), .give(give), .sparse(sparse), .leaves(leaves), .leaves_job(fetched), .raddr(raddr),
        .rdata(rdata), .moves(1'b1), .given(given), .word(cut)
    );

    // Those without bits do not go on, unless a pass ends there.
    always @(posedge clk) begin
        room       <= level + {{$clog2(QUEUE){1'b0}}, push} <= QUEUE - 4;  // whether one leaves in this cycle or not
        given_then <= run && given;
        push       <= run && given_then && (cut_then[31:0] != 0 || cut_then[MK+32]);
        cut_then   <= cut;
        queued     <= cut_then;
    end

    fifo #(.WIDTH(RW + MK + 33), .DEPTH(QUEUE)) queue (
        .clk(clk), .rst(!run), .push(push), .din(queued), .valid(valid), .ready(ready), .dout(word), .level(level)
    );

    assign busy = active || placing || there || going || given || given_then || push;
endmodule
