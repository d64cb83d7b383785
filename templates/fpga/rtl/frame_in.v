// Bytes of the line to checked frames: undoes COBS, checks length and CRC-32, holds one body until
// `done`. What does not check is dropped and counted.
module frame_in #(
    parameter MAX_BODY = 512,
    parameter CRC_BITS = 8,      // that a cycle adds to the CRC
    parameter AW       = $clog2(MAX_BODY)
) (
    input  wire          clk,
    input  wire          rst,
    input  wire          in_valid,
    output wire          in_ready,
    input  wire [7:0]    in_data,
    output reg           valid,     // a body is held
    output reg  [AW:0]   left,      // bytes of it that were not `taken`; those of its CRC do not count
    input  wire          taken,     // one more was
    input  wire          done,
    input  wire          re,        // `rdata` one cycle later; the first byte of the body stands at START
    input  wire [AW-1:0] raddr,
    output wire [7:0]    rdata,
    output reg           bad,       // pulses: one was dropped
    output wire          begun      // a frame has begun and not ended
);
    localparam [31:0] RESIDUE = 32'hDEBB20E3;  // CRC-32 over data and its own CRC, before inversion
    localparam [3:0]  BEATS   = 8 / CRC_BITS;
    localparam [AW:0] START   = {{(AW-1){1'b1}}, 2'b00};  // four before 0, so that what comes in is counted without the CRC

    reg [7:0]  remaining;     // bytes up to the next code of COBS, itself included
    reg        zero_pending;  // the group ends with a zero unless the frame does
    reg        started, broken;
    reg [31:0] crc;
    reg [7:0]  summed;        // what of a byte the CRC has not seen
    reg [3:0]  beats_left;    // cycles until it has
    wire [31:0] crc_next;
    wire summing = beats_left != 0;

    wire take = in_valid && in_ready;
    wire group_ends = remaining == 8'd1;
    wire code = take && in_data != 0 && group_ends;
    wire emit = take && in_data != 0 && (!group_ends || zero_pending);
    wire [7:0] emitted = code ? 8'd0 : in_data;
    // Six bytes at least: type, seq, CRC.
    wire good = started && !broken && group_ends && !left[AW] && left[AW-1:1] != 0 && crc == RESIDUE;
    wire room = left[AW] || left[AW-1:2] != {(AW-2){1'b1}};

    assign begun = started;

    // With the last of a byte the next one may come; the end of the frame waits for the sum.
    assign in_ready = !valid && (!summing || (beats_left == 4'd1 && in_data != 0));

    crc32 #(.BITS(CRC_BITS)) check (.crc(crc), .data(summed[CRC_BITS-1:0]), .next(crc_next));

    ram #(.WIDTH(8), .DEPTH(MAX_BODY)) body (
        .clk(clk), .we(emit && room), .waddr(left[AW-1:0]), .wdata(emitted),
        .re(re), .raddr(raddr), .rdata(rdata)
    );

    always @(posedge clk) begin
        bad <= 1'b0;
        if (done) begin
            valid <= 1'b0;
            left  <= START;
        end else if (taken || (emit && room)) begin
            left <= left + {{AW{taken}}, 1'b1};
        end
        if (summing) begin
            crc        <= crc_next;
            summed     <= summed >> CRC_BITS;
            beats_left <= beats_left - 1'b1;
        end
        if (take && in_data == 0) begin
            valid <= good;
            bad   <= started && !good;
            if (!good) left <= START;
            remaining    <= 8'd1;
            zero_pending <= 1'b0;
            started      <= 1'b0;
            broken       <= 1'b0;
            crc          <= 32'hFFFFFFFF;
        end else if (take) begin
            started <= 1'b1;
            if (code) begin
                remaining    <= in_data;
                zero_pending <= in_data != 8'hFF;
            end else remaining <= remaining - 1'b1;
            if (emit) begin
                if (!room) broken <= 1'b1;
                summed     <= emitted;
                beats_left <= BEATS;
            end
        end
        if (rst) begin
            valid        <= 1'b0;
            remaining    <= 8'd1;
            zero_pending <= 1'b0;
            started      <= 1'b0;
            broken       <= 1'b0;
            left         <= START;
            crc          <= 32'hFFFFFFFF;
            beats_left   <= 0;
        end
    end
endmodule
