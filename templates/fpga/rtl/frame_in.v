// Bytes of the line to checked frames: undoes COBS, checks length and CRC-32, holds one body until
// `done`. What does not check is dropped and counted.
module frame_in #(
    parameter MAX_BODY = 512,
    parameter AW       = $clog2(MAX_BODY)
) (
    input  wire          clk,
    input  wire          rst,
    input  wire          in_valid,
    output wire          in_ready,
    input  wire [7:0]    in_data,
    output reg           valid,     // a body is held
    output reg  [AW:0]   length,    // its bytes, CRC included
    input  wire          done,
    input  wire [AW-1:0] raddr,     // `rdata` one cycle later
    output wire [7:0]    rdata,
    output reg  [15:0]   bad_frames
);
    localparam [31:0] RESIDUE = 32'hDEBB20E3;  // CRC-32 over data and its own CRC, before inversion

    reg [7:0]  remaining;     // bytes of the current COBS group
    reg        zero_pending;  // the group ends with a zero unless the frame does
    reg        started, broken;
    reg [AW:0] len;
    reg [31:0] crc;
    wire [31:0] crc_next;

    wire take = in_valid && in_ready;
    wire code = take && in_data != 0 && remaining == 0;
    wire emit = take && in_data != 0 && (remaining != 0 || zero_pending);
    wire [7:0] emitted = code ? 8'd0 : in_data;
    wire room = len != MAX_BODY;

    assign in_ready = !valid;

    crc32 #(.BYTES(1)) check (.crc(crc), .data(emitted), .next(crc_next));

    ram #(.WIDTH(8), .DEPTH(MAX_BODY)) body (
        .clk(clk), .we(emit && room), .waddr(len[AW-1:0]), .wdata(emitted),
        .re(1'b1), .raddr(raddr), .rdata(rdata)
    );

    always @(posedge clk) begin
        if (done) valid <= 1'b0;
        if (take && in_data == 0) begin
            if (started) begin
                if (!broken && remaining == 0 && len >= 6 && crc == RESIDUE) begin
                    valid  <= 1'b1;
                    length <= len;
                end else if (bad_frames != 16'hFFFF) bad_frames <= bad_frames + 1'b1;
            end
            remaining    <= 0;
            zero_pending <= 1'b0;
            started      <= 1'b0;
            broken       <= 1'b0;
            len          <= 0;
            crc          <= 32'hFFFFFFFF;
        end else if (take) begin
            started <= 1'b1;
            if (code) begin
                remaining    <= in_data - 1'b1;
                zero_pending <= in_data != 8'hFF;
            end else remaining <= remaining - 1'b1;
            if (emit) begin
                if (room) len <= len + 1'b1;
                else broken <= 1'b1;
                crc <= crc_next;
            end
        end
        if (rst) begin
            valid        <= 1'b0;
            remaining    <= 0;
            zero_pending <= 1'b0;
            started      <= 1'b0;
            broken       <= 1'b0;
            len          <= 0;
            crc          <= 32'hFFFFFFFF;
            bad_frames   <= 0;
        end
    end
endmodule
