// Turns a job into the bitmap words that its rows read: for each row (lines x columns of them) every
// segment of the job, a run of bits that the row's place in the grid moves and the line's ends cut off.
// Each word goes out with the bits outside of its run cleared, and with the weight row of its bit 0.
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
    // job
    input  wire          start,            // only while idle
    // verilator lint_off UNUSEDSIGNAL
    input  wire [15:0]   first_segment,    // fields are wider than some hardware's memories
    input  wire [15:0]   row_step,
    // verilator lint_on UNUSEDSIGNAL
    input  wire [15:0]   count,            // of segments: at least 1
    input  wire [11:0]   columns,
    input  wire [11:0]   lines,
    input  wire          parity,
    input  wire          mute_before,      // there is no step before in this sample
    output wire          idle,             // the next job may start
    output wire          busy,             // something is under way
    output wire          fetched,          // pulses when the last word of a job is being read
    // bitmap memory
    output wire          read,
    output wire [PW-1:0] raddr,
    input  wire [31:0]   rdata,            // one cycle later
    // words
    input  wire          room,             // for as many words as may be under way here (four)
    output reg           push,
    output reg  [RW+36:0] word             // {row of bit 0, ends, more, fresh, last, first, bits}
);
    localparam BW = PW + 4;                // bits of a bit address within one parity

    // ---------------------------------------------------------------- which segment of which row
    reg           active;
    reg  [EW-1:0] entry, first_entry;
    reg  [15:0]   left, per_row;
    reg  [11:0]   column, line, last_column, last_line;
    reg  [RW-1:0] offset, step;
    reg           job_parity, job_mute;
    wire          advance;
    wire          last_entry  = left == 1;
    wire          row_ends    = column == last_column;
    wire          lines_end   = line == last_line;
    wire          issue       = active && advance;
    wire          last_of_job = last_entry && row_ends && lines_end;

    assign idle = !active;

    always @(posedge clk) begin
        if (!run) begin
            active <= 1'b0;
        end else if (start) begin
            active <= 1'b1;
        end else if (issue && last_of_job) begin
            active <= 1'b0;
        end
        if (start) begin
            entry       <= first_segment[EW-1:0];
            first_entry <= first_segment[EW-1:0];
            left        <= count;
            per_row     <= count;
            column      <= 12'd0;
            line        <= 12'd0;
            last_column <= columns - 1'b1;
            last_line   <= lines - 1'b1;
            offset      <= {RW{1'b0}};
            step        <= row_step[RW-1:0];
            job_parity  <= parity;
            job_mute    <= mute_before;
        end else if (issue) begin
            entry <= last_entry ? first_entry : entry + 1'b1;
            left  <= last_entry ? per_row : left - 1'b1;
            if (last_entry) begin
                column <= row_ends ? 12'd0 : column + 1'b1;
                if (row_ends) line <= line + 1'b1;
                offset <= offset + step;
            end
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
    reg           valid1, valid2, valid3, valid4;
    reg  [MW-1:0] marks1, marks2, marks3;
    reg  [RW-1:0] offset1;
    wire [BW-1:0] line1   = cfg_rdata[0 +: BW];
    wire          before1 = cfg_rdata[20];
    wire          plane1  = cfg_rdata[21];
    wire          moves1  = cfg_rdata[22];
    wire [RW-1:0] row1    = cfg_rdata[32 +: RW];
    wire [15:0]   bits1   = cfg_rdata[63:48];

    // ---------------------------------------------------------------- 2, 3: moved to the row's place
    reg           before2, before3, plane2, plane3;
    reg  [RW-1:0] row2, row3;
    reg  [15:0]   bits2;

    always @(posedge clk) if (advance) begin
        marks1 <= {job_mute, column == 0 && line == 0, row_ends && lines_end, last_of_job, job_parity, last_entry};
        offset1 <= offset;
        marks2 <= marks1;
        before2 <= before1;
        plane2 <= plane1;
        row2   <= row1 + (moves1 ? offset1 : {RW{1'b0}});
        bits2  <= bits1;
        marks3 <= marks2;
        before3 <= before2;
        plane3 <= plane2;
        row3   <= row2;
    end

    // What is cut off or added is told in 32 bits, whatever the widths of addresses and rows.
    reg  [31:0]         line3;
    reg  signed [31:0]  first3, end3;      // within the line
    wire signed [31:0]  from3 = first3 < 0 ? 32'sd0 : first3;
    wire                empty3 = end3 <= from3 || (before3 && marks3[5]);
    // verilator lint_off UNUSEDSIGNAL
    wire [31:0]         start3 = line3 + from3;
    wire [31:0]         last3 = line3 + end3 - 1;
    wire [31:0]         skipped3 = from3 - first3;
    // verilator lint_on UNUSEDSIGNAL

    generate
        if (SPATIAL != 0) begin : grid
            reg  [11:0]         column1, line_number1;
            reg  signed [31:0]  first2, length2;
            reg  [31:0]         line2, along2, down2;
            wire [31:0]         column_step = {16'd0, cfg_rdata[96 +: 16]};
            wire [31:0]         line_step = {16'd0, cfg_rdata[112 +: 16]};
            wire signed [31:0]  place2 = first2 + along2;
            wire signed [31:0]  stop2 = place2 + {16'd0, bits2};

            always @(posedge clk) if (advance) begin
                column1      <= column;
                line_number1 <= line;
                along2       <= {20'd0, column1} * column_step;
                down2        <= {20'd0, line_number1} * line_step;
                line2        <= {{(32-BW){1'b0}}, line1};
                first2       <= {{16{cfg_rdata[79]}}, cfg_rdata[79:64]};
                length2      <= {16'd0, cfg_rdata[95:80]};
                line3        <= line2 + down2;
                first3       <= place2;
                end3         <= stop2 > length2 ? length2 : stop2;
            end
        end else begin : no_grid
            reg [31:0] line2;
            always @(posedge clk) if (advance) begin
                line2  <= {{(32-BW){1'b0}}, line1};
                line3  <= line2;
                first3 <= 0;
                end3   <= {16'd0, bits2};
            end
        end
    endgenerate

    // ---------------------------------------------------------------- 4: where it starts and ends
    reg  [BW-1:0] start4, last4;
    reg  [RW-1:0] row4;
    reg           empty4, before4, plane4;
    reg  [MW-2:0] marks4;

    always @(posedge clk) if (advance) begin
        start4  <= start3[BW-1:0];
        last4   <= last3[BW-1:0];
        row4    <= row3 + skipped3[RW-1:0];
        empty4  <= empty3;
        before4 <= before3;
        plane4  <= plane3;
        marks4  <= marks3[MW-2:0];
    end

    // ---------------------------------------------------------------- 5: word by word
    reg           going, sparse;           // a segment is here; it has no bits
    reg  [BW-6:0] at, stop;
    reg  [4:0]    low, high;               // first and last bit
    reg  [RW-1:0] base;
    reg           head, of_before, plane;
    reg  [MW-2:0] marks;
    wire          at_end = sparse || at == stop;
    wire          give   = going && room;
    wire          leaves = give && at_end;

    assign advance = !valid4 || !going || leaves;
    assign read    = give && !sparse;
    assign raddr   = {marks[1] ^ of_before, at};
    assign fetched = leaves && marks[2];

    always @(posedge clk) begin
        if (!run) begin
            valid1 <= 1'b0;
            valid2 <= 1'b0;
            valid3 <= 1'b0;
            valid4 <= 1'b0;
            going  <= 1'b0;
        end else begin
            if (advance) begin
                valid1 <= active;
                valid2 <= valid1;
                valid3 <= valid2;
                valid4 <= valid3;
            end
            if (!going || leaves) going <= valid4;
        end
        if (!going || leaves) begin
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
    reg  [RW-1:0] base6, base7;
    reg  [31:0]   bits7;
    reg           end7, more7, first7, last7, fresh7, valid7;
    wire          ends6 = given_end || given_plane;
    wire [31:0]   above = 32'hFFFFFFFF << cut_low;
    wire [31:0]   below = 32'hFFFFFFFF >> (5'd31 - cut_high);

    always @(posedge clk) begin
        if (!run) begin
            given  <= 1'b0;
            valid7 <= 1'b0;
            push   <= 1'b0;
            fresh  <= 1'b1;
        end else begin
            given  <= give;
            valid7 <= given;
            push   <= valid7 && (bits7 != 0 || end7);
            if (given && ends6) fresh <= !(given_plane && !given_end);
        end
        given_any   <= !sparse;
        given_end   <= at_end && marks[0];
        given_plane <= at_end && plane;
        given_first <= marks[4];
        given_last  <= marks[3];
        cut_low     <= head ? low : 5'd0;
        cut_high    <= at_end ? high : 5'd31;
        base6       <= base;

        bits7  <= given_any ? rdata & above & below : 32'd0;
        base7  <= base6;
        end7   <= ends6;
        more7  <= given_plane && !given_end;
        first7 <= given_first;
        last7  <= given_last;
        fresh7 <= fresh;
    end

    always @(posedge clk) word <= {base7, end7, more7, fresh7, last7, first7, bits7};

    assign busy = active || valid1 || valid2 || valid3 || valid4 || going || given || valid7 || push;
endmodule
