// A job as the bitmap words that its rows read (interface: core.v). Pipelined: words are fetched ahead of the walk,
// into a queue, and the next job may start while the words of the one before still stand there.
module segments #(
    parameter SEGMENTS = 256,
    parameter SPATIAL  = 1,
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
    // verilator lint_off UNUSEDSIGNAL
    input  wire          uniform,
    input  wire [88:0]   windows,
    output wire          idle,
    output wire          busy,
    output wire          fetched,
    // bitmap memory
    output wire          read,
    output wire [PW-1:0] raddr,
    input  wire [31:0]   rdata,
    input  wire          arrives,
    input  wire [PW-1:0] waddr,
    input  wire [31:0]   wdata,
    // verilator lint_on UNUSEDSIGNAL
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

    wire          active, advance, first_row, last_row, row_ends, nothing, of_parity;
    wire [EW-1:0] segment;
    wire [11:0]   column, line;
    wire [RW-1:0] offset, plain_offset;
    wire          plain, plain_next, plain_active, plain_first, plain_last, plain_ends;
    wire [EW-1:0] plain_segment;
    wire [11:0]   plain_column, plain_line;

    // verilator lint_off PINMISSING
    job_rows #(.SPATIAL(SPATIAL), .EW(EW), .RW(RW)) rows (
        .clk(clk), .run(run),
        .start(start && plain), .start_segment(first_segment), .start_count(count), .start_lines(lines),
        .first_segment(job_segment), .count(job_count), .columns(job_columns), .lines(job_lines), .row_step(job_step),
        .active(plain_active), .advance(advance && plain_next), .segment(plain_segment), .column(plain_column), .line(plain_line),
        .offset(plain_offset), .first_row(plain_first), .last_row(plain_last), .row_ends(plain_ends)
    );
    // verilator lint_on PINMISSING

    wire          placed, placing;
    wire [2*BW+RW+PB+6:0] place;

    segment_place #(.SEGMENTS(SEGMENTS), .SPATIAL(SPATIAL), .MAXIMA(MAXIMA), .BW(BW), .RW(RW)) list (
        .clk(clk), .run(run), .advance(advance),
        .we(we), .cfg_addr(cfg_addr), .cfg_wdata(cfg_wdata), .cfg_rdata(cfg_rdata),
        .ask(active && advance), .segment(segment), .columns(job_columns), .column(column), .line(line), .offset(offset),
        .mute(job_mute), .nothing(nothing), .marks({first_row, last_row, row_ends && last_row, of_parity, row_ends}),
        .valid(placed), .busy(placing), .place(place)
    );

    // ---------------------------------------------------------------- a register, as a place takes long to find
    wire          there, loads;
    wire [2*BW+RW+PB+6:0] place_then;

    register_slice #(.WIDTH(2 * BW + RW + PB + 7)) found (
        .clk(clk), .rst(!run), .in_valid(placed), .in_ready(advance), .in(place),
        .out_valid(there), .out_ready(loads), .out(place_then)
    );

    // ---------------------------------------------------------------- its words: all, or those with spikes
    wire          going, leaves, given, finding;
    wire [$clog2(QUEUE):0] level;
    reg           room;                    // for as many words as may be under way here
    wire          give = going && room;
    wire [RW+MK+32:0] cut;
    reg  [RW+MK+32:0] cut_then, queued;
    reg           given_then, push;

    assign loads = !going || leaves;

    generate
        if (SPOTS != 0) begin : with_spots
            reg  [88:0]   job_windows;     // see job_fetch.v
            wire          looks, looks_ahead, spotted_active, spotted_first, spotted_last, spotted_ends, spotted_parity, rows_left,
                          looking, none;
            wire [PW-1:0] look_at, look_ahead_at;
            wire [15:0]   spots_here, spots_ahead;
            wire [EW-1:0] spotted_segment;
            wire [RW-1:0] spotted_offset;
            reg           spotted_taken;   // and not a plain one
            wire [11:0]   spotted_column, spotted_line;

            assign plain = !uniform;
            assign plain_next = !rows_left;
            assign idle  = !plain_active && !looking;
            assign active = rows_left ? spotted_active : plain_active;
            assign {segment, nothing, first_row, last_row, row_ends, of_parity, column, line} = rows_left
                ? {spotted_segment, none, spotted_first, spotted_last, spotted_ends, spotted_parity, spotted_column, spotted_line}
                : {plain_segment, 1'b0, plain_first, plain_last, plain_ends, job_parity, plain_column, plain_line};

            always @(posedge clk) begin
                if (start) job_windows <= windows;
                if (advance) spotted_taken <= rows_left;
            end
            assign offset = spotted_taken ? spotted_offset : plain_offset;

            spots #(.PW(PW)) in_words (
                .clk(clk), .we(arrives), .waddr(waddr), .wdata(wdata), .re(looks), .raddr(look_at), .there(spots_here)
            );
            spots #(.PW(PW)) in_rows (
                .clk(clk), .we(arrives), .waddr(waddr), .wdata(wdata), .re(looks_ahead), .raddr(look_ahead_at),
                .there(spots_ahead)
            );
            spotted_rows #(.EW(EW), .RW(RW), .BW(BW)) uniform_rows (
                .clk(clk), .run(run), .start(start && uniform), .first_segment(job_segment), .count(job_count[3:0]),
                .columns(job_columns), .lines(job_lines), .parity(job_parity),
                .window(job_windows[19:0]), .pitch(job_windows[35:20]), .line_step(job_windows[51:36]),
                .stretch_step(job_windows[67:52]), .stretch(job_windows[74:68]), .step(job_windows[81:75]),
                .reach(job_windows[88:82]), .look(looks_ahead), .look_at(look_ahead_at), .there(spots_ahead),
                .active(spotted_active), .advance(advance), .segment(spotted_segment), .nothing(none),
                .column(spotted_column), .line(spotted_line), .first_row(spotted_first), .last_row(spotted_last),
                .row_ends(spotted_ends), .of_parity(spotted_parity), .row_step(job_step), .offset(spotted_offset),
                .left(rows_left), .busy(looking)
            );
            spotted_words #(.BW(BW), .RW(RW), .PB(PB)) words (
                .clk(clk), .run(run), .valid(there), .load(loads), .place(place_then),
                .look(looks), .look_at(look_at), .there(spots_here),
                .going(going), .give(give), .leaves(leaves), .left_job(fetched), .read(read), .raddr(raddr),
                .rdata(rdata), .busy(finding), .given(given), .word(cut)
            );
        end else begin : without_spots
            wire sparse;
            assign {plain, plain_next} = 2'b11;
            assign offset = plain_offset;
            assign idle  = !plain_active;
            assign active = plain_active;
            assign {segment, nothing, first_row, last_row, row_ends, of_parity, column, line}
                = {plain_segment, 1'b0, plain_first, plain_last, plain_ends, job_parity, plain_column, plain_line};
            assign read  = give && !sparse;
            assign finding = 1'b0;

            run_words #(.BW(BW), .RW(RW), .PB(PB)) words (
                .clk(clk), .run(run), .valid(there), .load(loads), .place(place_then),
                .going(going), .give(give), .sparse(sparse), .leaves(leaves), .leaves_job(fetched), .raddr(raddr),
                .rdata(rdata), .moves(1'b1), .given(given), .word(cut)
            );
        end
    endgenerate

    // Those without bits do not go on, unless a pass ends there.
    always @(posedge clk) begin
        room       <= level + {{$clog2(QUEUE){1'b0}}, push} <= QUEUE - 4 - SPOTS;  // whether one leaves in this cycle or not
        given_then <= run && given;
        push       <= run && given_then && (cut_then[31:0] != 0 || cut_then[MK+32]);
        cut_then   <= cut;
        queued     <= cut_then;
    end

    fifo #(.WIDTH(RW + MK + 33), .DEPTH(QUEUE)) queue (
        .clk(clk), .rst(!run), .push(push), .din(queued), .valid(valid), .ready(ready), .dout(word), .level(level)
    );

    assign busy = !idle || active || !plain_next || placing || there || going || finding || given || given_then || push;
endmodule
