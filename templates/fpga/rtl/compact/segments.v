// A job as the bitmap words that its rows read (interface: core.v). Compact: the job's words stand until it is through,
// and there is no queue: the next word is found while the one before is walked.
module segments #(
    parameter SEGMENTS = 256,
    parameter SPATIAL  = 1,
    // verilator lint_off UNUSED
    parameter QUEUE    = 16,
    parameter PW       = 10,
    parameter RW       = 11,
    parameter MAXIMA   = 0,
    parameter SPOTS    = 0,
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
    input  wire          uniform,
    input  wire [88:0]   windows,
    output wire          idle,
    output wire          busy,
    output wire          fetched,
    // bitmap memory
    output wire          read,
    output wire [PW-1:0] raddr,
    input  wire [31:0]   rdata,
    // what comes into it
    input  wire          arrives,
    input  wire [PW-1:0] waddr,
    input  wire [31:0]   wdata,
    // verilator lint_on UNUSED
    // words
    output wire          valid,
    input  wire          ready,
    output wire [RW+MK+32:0] word
);
    localparam BW = PW + 4;                // bits of a bit address within one parity
    localparam PB = MK - 3;                // bits of how a pass ends

    // ---------------------------------------------------------------- which segment of which row
    reg           job_parity, job_mute;    // as they were at its start
    always @(posedge clk) if (start) {job_parity, job_mute} <= {parity, mute_before};

    wire          active, advance, first_row, last_row, row_ends, job_ends;
    wire [EW-1:0] segment;
    wire [11:0]   column, line;
    wire [RW-1:0] offset;

    assign idle = !active;

    job_rows #(.SPATIAL(SPATIAL), .EW(EW), .RW(RW)) rows (
        .clk(clk), .run(run),
        .start(start), .start_segment(first_segment), .start_count(count), .start_lines(lines),
        .first_segment(first_segment), .count(count), .columns(columns), .lines(lines), .row_step(row_step),
        .active(active), .advance(advance), .segment(segment), .column(column), .line(line), .offset(offset),
        .first_row(first_row), .last_row(last_row), .row_ends(row_ends), .job_ends(job_ends)
    );

    wire          placed, placing;
    wire [2*BW+RW+PB+6:0] place;

    segment_place #(.SEGMENTS(SEGMENTS), .SPATIAL(SPATIAL), .MAXIMA(MAXIMA), .BW(BW), .RW(RW)) list (
        .clk(clk), .run(run), .advance(advance),
        .we(we), .cfg_addr(cfg_addr), .cfg_wdata(cfg_wdata), .cfg_rdata(cfg_rdata),
        .ask(active && advance), .segment(segment), .columns(columns), .column(column), .line(line), .offset(offset),
        .mute(job_mute), .nothing(1'b0),
        .marks({first_row, last_row, job_ends, job_parity, row_ends}),
        .valid(placed), .busy(placing), .place(place)
    );

    // ---------------------------------------------------------------- its words, offered to the walk
    wire          going, leaves_job, given;
    reg           left_job;
    wire          moves = ready || !valid;

    assign advance = !placed || !going;
    assign valid   = given && (word[31:0] != 0 || word[MK+32]);  // without bits only where a pass ends
    assign read    = moves;                // whether that word is needed or not, which is known later
    assign fetched = left_job;
    assign busy    = active || placing || going || given;

    // verilator lint_off PINCONNECTEMPTY
    run_words #(.BW(BW), .RW(RW), .PB(PB)) words (
        .clk(clk), .run(run), .valid(placed), .load(!going), .place(place),
        .going(going), .give(going && moves), .sparse(), .leaves(), .leaves_job(leaves_job), .raddr(raddr),
        .rdata(rdata), .moves(moves), .given(given), .word(word)
    );
    // verilator lint_on PINCONNECTEMPTY

    always @(posedge clk) left_job <= leaves_job;
endmodule
