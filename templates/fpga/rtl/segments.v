// Turns a job into the bitmap words that its rows read: for each row (lines x columns of them) every
// segment of the job, a run of bits that the row's place in the grid moves and the line's ends cut off.
// Each word goes out with the bits outside of its run cleared, and with the weight row of its bit 0; words without
// bits do not, unless a row ends there. They are queued for the walk; COMPACT: the next one is found meanwhile.
//
// A segment is four words (two, and no grid, where SPATIAL = 0):
//   0 [19:0] bit address of the line, 20 of the step before, 21 ends a bit plane,
//     22 its weights move with the row
//   1 [15:0] first weight row, [31:16] bits
//   2 [15:0] first bit within the line (signed), [31:16] bits of the line
//   3 [15:0] bits from one column to the next, [31:16] bits from one line to the next
module segments #(
    parameter SEGMENTS = 256,
    parameter SPATIAL  = 1,
    parameter COMPACT  = 0,
    parameter QUEUE    = 16,               // words fetched ahead of the walk, at most
    parameter PW       = 10,               // bits of a bitmap address: parity, word
    parameter RW       = 11,               // bits of a weight row
    parameter EW       = $clog2(SEGMENTS),
    parameter WORDS    = SPATIAL != 0 ? 4 : 2,
    parameter FW       = SPATIAL != 0 ? 2 : 1
) (
    input  wire          clk,
    input  wire          run,
    // configuration
    input  wire          we,
    input  wire [EW+FW-1:0] cfg_addr,
    input  wire [31:0]   cfg_wdata,
    output wire [WORDS*32-1:0] cfg_rdata,
    // its words; COMPACT: they stand until it is through
    input  wire          start,            // only while idle
    // verilator lint_off UNUSEDSIGNAL
    input  wire [15:0]   first_segment,    // fields are wider than some hardware's memories
    input  wire [15:0]   row_step,
    input  wire [15:0]   count,            // of segments: at least 1
    // verilator lint_on UNUSEDSIGNAL
    input  wire [11:0]   columns,
    input  wire [11:0]   lines,
    input  wire          parity,
    input  wire          mute_before,      // there is no step before in this sample
    output wire          idle,             // the next job may start
    output wire          busy,             // something is under way
    output wire          fetched,          // pulses when the last word of a job is being read, or has been
    // bitmap memory
    output wire          read,
    output wire [PW-1:0] raddr,
    input  wire [31:0]   rdata,            // one cycle later
    // words
    output wire          valid,
    input  wire          ready,
    output wire [RW+36:0] word             // {row of bit 0, ends, more, fresh, last, first, bits}
);
    localparam BW = PW + 4;                // bits of a bit address within one parity

    // ---------------------------------------------------------------- which segment of which row
    reg           active;
    reg  [EW-1:0] entry;
    reg  [EW:0]   left;
    reg  [11:0]   column, line;            // of the grid; without one, a row is a line and they are counted from 1
    reg  [RW-1:0] offset;                  // in weight rows, of the row that was issued last
    reg           begins, turns;           // the next one is of another job, or of another row
    wire [EW-1:0] job_entry;               // what the job says, from its start to its end
    wire [EW:0]   job_count;
    wire [11:0]   job_columns, job_lines;
    wire [RW-1:0] job_step;
    wire          job_parity, job_mute;
    wire          advance;
    localparam [11:0] FIRST   = SPATIAL != 0 ? 12'd0 : 12'd1;
    wire [11:0]   next_column = column + 1'b1;
    wire [11:0]   next_line   = line + 1'b1;
    wire          last_entry  = left == 1;
    wire          row_ends    = SPATIAL == 0 || next_column == job_columns;
    wire          lines_end   = (SPATIAL != 0 ? next_line : line) == job_lines;
    wire          first_row   = column == 0 && line == FIRST;
    wire          issue       = active && advance;
    wire          last_of_job = last_entry && row_ends && lines_end;

    assign idle = !active;

    localparam JB = EW + EW + 1 + 24 + RW + 2;
    wire [JB-1:0] told = {first_segment[EW-1:0], count[EW:0], columns, lines, row_step[RW-1:0], parity, mute_before};
    reg  [JB-1:0] kept;
    always @(posedge clk) if (start) kept <= told;
    assign {job_entry, job_count, job_columns, job_lines, job_step, job_parity, job_mute} =
        COMPACT != 0 ? {told[JB-1:2], kept[1:0]} : kept;

    always @(posedge clk) begin
        if (!run) begin
            active <= 1'b0;
        end else if (start) begin
            active <= 1'b1;
        end else if (issue && last_of_job) begin
            active <= 1'b0;
        end
        if (start) begin
            entry  <= first_segment[EW-1:0];
            left   <= count[EW:0];
            column <= 12'd0;
            line   <= FIRST;
            begins <= 1'b1;
            turns  <= 1'b0;
        end else if (issue) begin
            entry <= last_entry ? job_entry : entry + 1'b1;
            left  <= last_entry ? job_count : left - 1'b1;
            if (last_entry) begin
                column <= row_ends ? 12'd0 : next_column;
                if (row_ends) line <= next_line;
            end
            if (begins) offset <= {RW{1'b0}};
            else if (turns) offset <= offset + job_step;
            begins <= 1'b0;
            turns  <= last_entry;
        end
    end

    // ---------------------------------------------------------------- 1: the segment, out of its memory
    wire [EW-1:0] address = run ? entry : cfg_addr[FW +: EW];
    genvar w;
    generate
        ram #(.WIDTH(BW + 3), .DEPTH(SEGMENTS)) place (
            .clk(clk), .we(we && cfg_addr[FW-1:0] == 0), .waddr(cfg_addr[FW +: EW]),
            .wdata({cfg_wdata[22:20], cfg_wdata[BW-1:0]}), .re(issue || !run), .raddr(address),
            .rdata({cfg_rdata[22:20], cfg_rdata[BW-1:0]})
        );
        assign cfg_rdata[31:23] = 9'd0;
        assign cfg_rdata[19:BW] = {(20-BW){1'b0}};
        for (w = 1; w < WORDS; w = w + 1) begin : field
            ram #(.WIDTH(32), .DEPTH(SEGMENTS)) memory (
                .clk(clk), .we(we && cfg_addr[FW-1:0] == w), .waddr(cfg_addr[FW +: EW]), .wdata(cfg_wdata),
                .re(issue || !run), .raddr(address), .rdata(cfg_rdata[w*32 +: 32])
            );
        end
    endgenerate

    localparam MW = 6;                     // {mute, job's first row, its last, its last segment, parity, row's end}
    localparam LB = BW < 15 ? BW + 1 : 16; // bits of a run's length: no longer than all bitmaps
    localparam HW = MW + 2 + RW;           // what a segment takes along: its marks, before, plane, weight row
    reg           valid1;
    wire          valid4;
    reg  [MW-1:0] marks1;
    wire [BW-1:0] line1   = cfg_rdata[0 +: BW];
    wire          before1 = cfg_rdata[20];
    wire          plane1  = cfg_rdata[21];
    wire          moves1  = cfg_rdata[22];
    wire [RW-1:0] row1    = cfg_rdata[32 +: RW] + (moves1 ? offset : {RW{1'b0}});
    wire [LB-1:0] bits1   = cfg_rdata[48 +: LB];
    wire [HW-1:0] along1  = {marks1, before1, plane1, row1};

    always @(posedge clk) if (advance) begin
        marks1 <= {job_mute, first_row, row_ends && lines_end, last_of_job, job_parity, last_entry};
    end

    // ---------------------------------------------------------------- 2, 3: moved to the row's place, in a grid
    wire                valid3, moving;    // a segment is in stage 3; one is on the way there
    wire [MW-1:0]       marks3;
    wire                before3, plane3;
    wire [RW-1:0]       row3;
    // What is cut off or added is told in 32 bits, whatever the widths of addresses and rows.
    wire [31:0]         line3;
    wire signed [31:0]  first3, end3;      // within the line
    wire signed [31:0]  from3 = first3 < 0 ? 32'sd0 : first3;
    wire                empty3 = end3 <= from3 || (before3 && marks3[5]);
    // verilator lint_off UNUSEDSIGNAL
    wire [31:0]         start3 = line3 + from3;
    wire [31:0]         last3 = line3 + end3 - 1;
    wire [31:0]         skipped3 = from3 - first3;
    // verilator lint_on UNUSEDSIGNAL

    generate
        if (SPATIAL != 0) begin : grid
            reg                 there2, there3;
            reg  [HW-1:0]       along2, along3;
            reg  [11:0]         column1, line_number1;
            reg  signed [31:0]  first2, length2, moved, upto;
            reg  [31:0]         line2, across2, down2, origin;
            reg  [LB-1:0]       bits2;
            wire [31:0]         column_step = {16'd0, cfg_rdata[96 +: 16]};
            wire [31:0]         line_step = {16'd0, cfg_rdata[112 +: 16]};
            wire signed [31:0]  place2 = first2 + across2;
            wire signed [31:0]  stop2 = place2 + {{(32-LB){1'b0}}, bits2};

            assign valid3 = there3;
            assign moving = there2 || there3;
            assign {marks3, before3, plane3, row3} = along3;
            assign line3  = origin;
            assign first3 = moved;
            assign end3   = upto;

            always @(posedge clk) begin
                if (!run) begin
                    there2 <= 1'b0;
                    there3 <= 1'b0;
                end else if (advance) begin
                    there2 <= valid1;
                    there3 <= there2;
                end
                if (advance) begin
                    column1      <= column;
                    line_number1 <= line;
                    along2       <= along1;
                    across2      <= {20'd0, column1} * column_step;
                    down2        <= {20'd0, line_number1} * line_step;
                    line2        <= {{(32-BW){1'b0}}, line1};
                    first2       <= {{16{cfg_rdata[79]}}, cfg_rdata[79:64]};
                    length2      <= {16'd0, cfg_rdata[95:80]};
                    bits2        <= bits1;
                    along3       <= along2;
                    origin       <= line2 + down2;
                    moved        <= place2;
                    upto         <= stop2 > length2 ? length2 : stop2;
                end
            end
        end else begin : no_grid
            assign valid3 = valid1;
            assign moving = 1'b0;
            assign {marks3, before3, plane3, row3} = along1;
            assign line3  = {{(32-BW){1'b0}}, line1};
            assign first3 = 0;
            assign end3   = {{(32-LB){1'b0}}, bits1};
        end
    endgenerate

    // ---------------------------------------------------------------- 4: where it starts and ends
    localparam AB = 2 * BW + RW + 3 + MW - 1;
    wire [BW-1:0] start4, last4;
    wire [RW-1:0] row4;
    wire          empty4, before4, plane4;
    wire [MW-2:0] marks4;

    delay #(.WIDTH(AB), .CYCLES(COMPACT != 0 ? 0 : 1)) placed (
        .clk(clk), .enable(advance),
        .in({start3[BW-1:0], last3[BW-1:0], row3 + skipped3[RW-1:0], empty3, before3, plane3, marks3[MW-2:0]}),
        .out({start4, last4, row4, empty4, before4, plane4, marks4})
    );

    // ---------------------------------------------------------------- 5: word by word
    reg           going, sparse;           // a segment is here; it has no bits
    reg  [BW-6:0] at, stop;
    reg  [4:0]    low, high;               // first and last bit
    reg  [RW-1:0] base;
    reg           head, of_before, plane;
    reg  [MW-2:0] marks;
    wire          at_end = sparse || at == stop;
    wire          room;
    wire          moves;                   // a word may come to stage 6, and leaves it
    wire          give   = going && room;
    wire          leaves = give && at_end;

    wire          loads = !going || (leaves && COMPACT == 0);  // COMPACT: a cycle later, for a shorter path

    assign advance = !valid4 || loads;
    // COMPACT: whenever the word that was read is done with, which is known sooner.
    assign read    = COMPACT != 0 ? moves : give && !sparse;
    assign raddr   = {marks[1] ^ of_before, at};

    delay #(.WIDTH(1), .CYCLES(COMPACT != 0 ? 1 : 0)) end_of_job (
        .clk(clk), .enable(1'b1), .in(leaves && marks[2]), .out(fetched)
    );

    always @(posedge clk) begin
        if (!run) begin
            valid1 <= 1'b0;
            going  <= 1'b0;
        end else begin
            if (advance) valid1 <= active;
            if (loads) going <= valid4;
            else if (leaves) going <= 1'b0;
        end
        if (loads) begin
            at        <= start4[BW-1:5];
            stop      <= last4[BW-1:5];
            low       <= start4[4:0];
            high      <= last4[4:0];
            base      <= row4 - {{(RW-5){1'b0}}, start4[4:0]};
            head      <= 1'b1;
            sparse    <= empty4;
            of_before <= before4;
            plane     <= plane4;
            marks     <= marks4;
        end else if (give) begin
            at   <= at + 1'b1;
            base <= base + 32;
            head <= 1'b0;
        end
    end

    // ---------------------------------------------------------------- 6: the word, its run's bits only
    reg           given, given_end, given_plane, given_first, given_last, given_any, fresh;
    reg  [4:0]    cut_low, cut_high;
    reg  [RW-1:0] base6;
    wire          ends6 = given_end || given_plane;
    wire [31:0]   above = 32'hFFFFFFFF << cut_low;
    wire [31:0]   below = 32'hFFFFFFFF >> (5'd31 - cut_high);
    wire [31:0]   bits6 = given_any ? rdata & above & below : 32'd0;
    wire [RW+36:0] word6 = {base6, ends6, given_plane && !given_end, fresh, given_last, given_first, bits6};

    always @(posedge clk) begin
        if (!run) begin
            given <= 1'b0;
            fresh <= 1'b1;
        end else if (moves) begin
            given <= give;
            if (given && ends6) fresh <= !(given_plane && !given_end);
        end
        if (moves) begin
            given_any   <= !sparse;
            given_end   <= at_end && marks[0];
            given_plane <= at_end && plane;
            given_first <= marks[4];
            given_last  <= marks[3];
            cut_low     <= head ? low : 5'd0;
            cut_high    <= at_end ? high : 5'd31;
            base6       <= base;
        end
    end

    generate
        if (COMPACT != 0) begin : offered
            wire   shows6 = given && (bits6 != 0 || ends6);
            assign valid4 = valid3;
            assign room   = moves;
            assign moves  = ready || !shows6;
            assign valid  = shows6;
            assign word   = word6;
            assign busy   = active || valid1 || moving || going || given;
        end else begin : queued
            reg            there4, shows7, push;
            reg  [RW+36:0] word7, word8;
            reg            given7;
            wire [$clog2(QUEUE):0] level;
            assign valid4 = there4;
            assign moves  = 1'b1;
            assign room   = level <= QUEUE - 4;  // for as many words as may be under way here
            always @(posedge clk) begin
                if (!run) begin
                    there4 <= 1'b0;
                    given7 <= 1'b0;
                    push   <= 1'b0;
                end else begin
                    if (advance) there4 <= valid3;
                    given7 <= given;
                    push   <= given7 && shows7;
                end
                word7  <= word6;
                word8  <= word7;
            end
            always @* shows7 = word7[31:0] != 0 || word7[36];
            fifo #(.WIDTH(RW + 37), .DEPTH(QUEUE)) queue (
                .clk(clk), .rst(!run), .push(push), .din(word8), .valid(valid), .ready(ready), .dout(word), .level(level)
            );
            assign busy = active || valid1 || moving || valid4 || going || given || given7 || push;
        end
    endgenerate
endmodule
