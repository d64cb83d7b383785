// The segment list, and where a segment lies for a row: out of its memory, moved to the row's place in the grid, and
// cut off at the ends of the source's line. Two cycles (compact: one), two more in a grid.
//
// A segment is four words (two, and no grid, where SPATIAL = 0):
//   0 [19:0] bit address of the line, 20 of the step before, 21 ends a bit plane,
//     22 its weights move with the row; where there are maxima also
//     [24:23] 1 ends a position of a window, 2 the window's last one; in a grid,
//     [27:25], [30:28] so many columns at the line's start and end have no such position
//   1 [15:0] first weight row, [31:16] bits
//   2 [15:0] first bit within the line (signed), [31:16] bits of the line
//   3 [15:0] bits from one column to the next, [31:16] bits from one line to the next
module segment_place #(
    parameter SEGMENTS = 256,
    parameter SPATIAL  = 1,
    parameter MAXIMA   = 0,
    parameter BW       = 14,               // bits of a bit address within one parity
    parameter RW       = 11,               // bits of a weight row
    parameter EW       = $clog2(SEGMENTS),
    parameter WORDS    = SPATIAL != 0 ? 4 : 2,
    parameter FW       = SPATIAL != 0 ? 2 : 1,
    parameter PB       = MAXIMA != 0 ? 3 : 1       // bits of how a pass ends: {kind of position, as a plane}
) (
    input  wire          clk,
    input  wire          run,
    input  wire          advance,          // 0: all stands still
    // configuration
    input  wire          we,
    input  wire [EW+FW-1:0] cfg_addr,
    input  wire [31:0]   cfg_wdata,
    output wire [WORDS*32-1:0] cfg_rdata,
    // the segment asked for, and the row it is for
    input  wire          ask,
    input  wire [EW-1:0] segment,
    // verilator lint_off UNUSEDSIGNAL
    input  wire [11:0]   columns,          // without a grid there are none
    input  wire [11:0]   column,
    input  wire [11:0]   line,
    // verilator lint_on UNUSEDSIGNAL
    input  wire [RW-1:0] offset,           // one cycle later
    input  wire          mute,             // there is no step before
    input  wire          nothing,          // it has no bits
    input  wire [4:0]    marks,
    // where it lies
    output wire          valid,
    output wire          busy,
    output wire [2*BW+RW+PB+6:0] place       // as run_words takes it
);
    // ---------------------------------------------------------------- 1: the segment, out of its memory
    localparam TB = MAXIMA == 0 ? 3 : SPATIAL == 0 ? 5 : 11; // bits of the first word above the address
    wire [EW-1:0] address = run ? segment : cfg_addr[FW +: EW];
    genvar w;
    generate
        ram #(.WIDTH(BW + TB), .DEPTH(SEGMENTS)) line_place (
            .clk(clk), .we(we && cfg_addr[FW-1:0] == 0), .waddr(cfg_addr[FW +: EW]),
            .wdata({cfg_wdata[20 +: TB], cfg_wdata[BW-1:0]}), .re(ask || !run), .raddr(address),
            .rdata({cfg_rdata[20 +: TB], cfg_rdata[BW-1:0]})
        );
        assign cfg_rdata[31:20+TB] = {(12-TB){1'b0}};
        assign cfg_rdata[19:BW] = {(20-BW){1'b0}};
        for (w = 1; w < WORDS; w = w + 1) begin : field
            ram #(.WIDTH(32), .DEPTH(SEGMENTS)) memory (
                .clk(clk), .we(we && cfg_addr[FW-1:0] == w), .waddr(cfg_addr[FW +: EW]), .wdata(cfg_wdata),
                .re(ask || !run), .raddr(address), .rdata(cfg_rdata[w*32 +: 32])
            );
        end
    endgenerate

    localparam LB = BW < 15 ? BW + 1 : 16; // bits of a run's length: no longer than all bitmaps
    localparam HW = 8 + PB + RW;           // what a segment takes along: none, mute, marks, before, pass, weight row
    reg           valid0, mute0, none0;
    reg  [4:0]    marks0;
    // A register, as multipliers and memories are far apart.
    wire          valid1, mute1, none1;
    wire [4:0]    marks1;
    wire [RW-1:0] offset1;
    // What is cut off or added is told in 32 bits, whatever the widths of addresses and rows.
    // verilator lint_off UNUSEDSIGNAL
    wire [WORDS*32-1:0] words;
    wire [31:0]         start3, last3, skipped3;
    // verilator lint_on UNUSEDSIGNAL
    stage #(.WIDTH(1)) taken (.clk(clk), .enable(advance || !run), .in(valid0 && run), .out(valid1));
    stage #(.WIDTH(7 + RW + WORDS * 32)) out_of_memory (
        .clk(clk), .enable(advance), .in({none0, mute0, marks0, offset, cfg_rdata}),
        .out({none1, mute1, marks1, offset1, words})
    );

    wire [BW-1:0] line1  = words[0 +: BW];
    wire          moves1 = words[22];
    wire [RW-1:0] row1   = words[32 +: RW] + (moves1 ? offset1 : {RW{1'b0}});
    wire [LB-1:0] bits1  = words[48 +: LB];
    wire [PB-1:0] pass1;
    wire [HW-1:0] along1 = {none1, mute1, marks1, words[20], pass1, row1};

    always @(posedge clk) begin
        if (!run) valid0 <= 1'b0;
        else if (advance) valid0 <= ask;
        if (advance) {none0, mute0, marks0} <= {nothing, mute, marks};
    end

    // ---------------------------------------------------------------- 2, 3: moved to the row's place, in a grid
    wire                none3, mute3, before3, absent3; // absent: the row has no such position of the window
    wire [PB-1:0]       pass3, ends3;
    wire [4:0]          marks3;
    wire [RW-1:0]       row3;
    wire [31:0]         line3;
    wire signed [31:0]  first3, end3;      // within the line
    wire signed [31:0]  from3 = first3 < 0 ? 32'sd0 : first3;
    assign start3   = line3 + from3;
    assign last3    = line3 + end3 - 1;
    assign skipped3 = from3 - first3;

    wire                empty3 = end3 <= from3 || (before3 && mute3) || absent3 || none3;

    assign place = {start3[BW-1:0], last3[BW-1:0], row3 + skipped3[RW-1:0], empty3, before3, ends3, marks3};

    // A position that is absent ends no pass, but for the window's last one: that closes it, and adds nothing.
    generate
        if (MAXIMA != 0) begin : windows
            assign pass1 = {words[24:23], words[21]};
            assign ends3 = !absent3 ? pass3 : pass3[2] ? 3'b110 : 3'b000;
        end else begin : no_windows
            assign pass1 = words[21];
            assign ends3 = pass3;
        end
        if (MAXIMA != 0 && SPATIAL != 0) begin : edges
            reg        absent2, absent_then;
            reg [11:0] to_left, to_right;  // columns of the line beside the row's
            wire [11:0] on_left, on_right;
            stage #(.WIDTH(24)) beside (.clk(clk), .enable(advance), .in({to_left, to_right}), .out({on_left, on_right}));
            assign absent3 = absent_then;
            always @(posedge clk) if (advance) begin
                to_left     <= column;
                to_right    <= columns - 1'b1 - column;
                absent2     <= on_left < {9'd0, words[27:25]} || on_right < {9'd0, words[30:28]};
                absent_then <= absent2;
            end
        end else begin : no_edges
            assign absent3 = 1'b0;
        end
        if (SPATIAL != 0) begin : grid
            reg                 valid2, valid3;
            reg  [HW-1:0]       along2, along3;
            reg  [11:0]         column0, line_number0;
            wire [11:0]         column1, line_number1;
            stage #(.WIDTH(24)) of_row (
                .clk(clk), .enable(advance), .in({column0, line_number0}), .out({column1, line_number1})
            );
            reg  signed [31:0]  first2, length2, moved, upto;
            reg  [31:0]         line2, across2, down2, origin;
            reg  [LB-1:0]       bits2;
            wire [31:0]         column_step = {16'd0, words[96 +: 16]};
            wire [31:0]         line_step = {16'd0, words[112 +: 16]};
            wire signed [31:0]  place2 = first2 + across2;
            wire signed [31:0]  stop2 = place2 + {{(32-LB){1'b0}}, bits2};

            assign valid  = valid3;
            assign busy   = valid0 || valid1 || valid2 || valid3;
            assign {none3, mute3, marks3, before3, pass3, row3} = along3;
            assign line3  = origin;
            assign first3 = moved;
            assign end3   = upto;

            always @(posedge clk) begin
                if (!run) begin
                    valid2 <= 1'b0;
                    valid3 <= 1'b0;
                end else if (advance) begin
                    valid2 <= valid1;
                    valid3 <= valid2;
                end
                if (advance) begin
                    column0      <= column;
                    line_number0 <= line;
                    along2       <= along1;
                    across2      <= {20'd0, column1} * column_step;
                    down2        <= {20'd0, line_number1} * line_step;
                    line2        <= {{(32-BW){1'b0}}, line1};
                    first2       <= {{16{words[79]}}, words[79:64]};
                    length2      <= {16'd0, words[95:80]};
                    bits2        <= bits1;
                    along3       <= along2;
                    origin       <= line2 + down2;
                    moved        <= place2;
                    upto         <= stop2 > length2 ? length2 : stop2;
                end
            end
        end else begin : no_grid
            assign valid  = valid1;
            assign busy   = valid0 || valid1;
            assign {none3, mute3, marks3, before3, pass3, row3} = along1;
            assign line3  = {{(32-BW){1'b0}}, line1};
            assign first3 = 0;
            assign end3   = {{(32-LB){1'b0}}, bits1};
        end
    endgenerate
endmodule
