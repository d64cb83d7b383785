// Bodies to bytes of the line: appends the CRC-32, encodes COBS, ends with a zero. One frame is built
// while the one before is sent.
module frame_out #(
    parameter AW       = 9,  // bits of a position inside an encoded frame: 487 bytes at most, and three of COBS
    parameter CRC_BITS = 8   // that a cycle adds to the CRC
) (
    input  wire       clk,
    input  wire       rst,
    // body
    input  wire       in_valid,
    output wire       in_ready,
    input  wire [7:0] in_data,
    input  wire       close,      // no more bytes; taken when close_ready
    output wire       close_ready,
    output wire       line_idle,  // no frame waits or is on the line
    // line
    output wire       out_valid,
    input  wire       out_ready,
    output wire [7:0] out_data
);
    localparam BODY = 3'd0, CHECK = 3'd1, LAST_CODE = 3'd2, DELIMITER = 3'd3;
    localparam [3:0] BEATS = 8 / CRC_BITS;

    // ---------------------------------------------------------------- build
    reg [2:0]    state;
    reg          half;           // which half of the buffer is being built
    reg [1:0]    full;
    reg [AW-1:0] wptr, code_ptr;
    reg [7:0]    code;
    reg          group_full;     // the group has 254 bytes: write its code before anything else
    reg [31:0]   crc;
    reg [1:0]    crc_left;       // its bytes still to be put
    reg [7:0]    summed;         // what of a byte the CRC has not seen
    reg [3:0]    beats_left;     // cycles until it has; in the first of them it is put into the frame
    wire [31:0]  crc_next;

    wire         summing = beats_left != 0;
    reg          room;           // the half has been sent
    wire         building = room && !group_full;
    wire         from_body = state == BODY && beats_left == BEATS && !group_full;
    wire         from_crc = state == CHECK && building && !summing;
    wire         put = from_body || from_crc;
    wire [7:0]   value = state == CHECK ? ~crc[7:0] : summed;
    wire         zero = put && value == 0;

    assign in_ready    = state == BODY && building && (!summing || beats_left == 4'd1);
    assign close_ready = state == BODY && building && !summing && !in_valid;

    // Put out, the CRC moves on by bytes, as if each bit that it meets were its own.
    crc32 #(.BITS(CRC_BITS)) check (
        .crc(crc), .data(state == CHECK ? crc[CRC_BITS-1:0] : summed[CRC_BITS-1:0]), .next(crc_next)
    );

    reg          we;
    reg [AW-1:0] waddr;
    reg [7:0]    wdata;
    always @* begin
        we    = put || (room && (group_full || state == LAST_CODE || state == DELIMITER));
        waddr = wptr;
        wdata = value;
        if (group_full || zero || state == LAST_CODE) begin
            waddr = code_ptr;
            wdata = code;
        end else if (state == DELIMITER) begin
            wdata = 8'd0;
        end
    end

    always @(posedge clk) begin
        room <= !full[half] && state != DELIMITER && !rst;
        if (group_full || zero) begin
            code_ptr   <= wptr;
            wptr       <= wptr + 1'b1;
            code       <= 8'd1;
            group_full <= 1'b0;
        end else if (put) begin
            wptr       <= wptr + 1'b1;
            code       <= code + 1'b1;
            group_full <= code == 8'd254;
        end
        if (summing && !group_full) begin
            crc        <= crc_next;
            summed     <= summed >> CRC_BITS;
            beats_left <= beats_left - 1'b1;
        end
        if (in_ready && in_valid) begin
            summed     <= in_data;
            beats_left <= BEATS;
        end
        if (from_crc) begin
            beats_left <= BEATS;
            crc_left   <= crc_left - 1'b1;
            if (crc_left == 0) state <= LAST_CODE;
        end
        if (close && close_ready) state <= CHECK;
        if (state == LAST_CODE && !group_full) state <= DELIMITER;
        if (state == DELIMITER) begin
            state        <= BODY;
            half         <= !half;
            wptr         <= 1;
            code_ptr     <= 0;
            code         <= 8'd1;
            crc          <= 32'hFFFFFFFF;
            crc_left     <= 2'd3;
            beats_left   <= 0;
        end
        if (rst) begin
            state      <= BODY;
            beats_left <= 0;
            half       <= 1'b0;
            wptr       <= 1;
            code_ptr   <= 0;
            code       <= 8'd1;
            group_full <= 1'b0;
            crc        <= 32'hFFFFFFFF;
            crc_left   <= 2'd3;
        end
    end

    // ---------------------------------------------------------------- send
    reg          sending;      // which half is on the line
    reg [AW-1:0] rptr;
    reg          loaded;       // out_data is the byte at rptr
    wire         last = out_data == 0;  // an encoded frame has no other zero
    wire         sent = out_valid && out_ready;

    assign out_valid = loaded;
    assign line_idle = full == 2'b00;

    ram #(.WIDTH(8), .DEPTH(2 << AW)) buffer (
        .clk(clk), .we(we), .waddr({half, waddr}), .wdata(wdata),
        .re(1'b1), .raddr({sending, rptr}), .rdata(out_data)
    );

    always @(posedge clk) begin
        loaded <= full[sending] && !loaded;
        if (loaded && !out_ready) loaded <= 1'b1;
        if (sent) begin
            rptr <= last ? {AW{1'b0}} : rptr + 1'b1;
            if (last) begin
                sending       <= !sending;
                full[sending] <= 1'b0;
            end
            loaded <= 1'b0;
        end
        if (state == DELIMITER) full[half] <= 1'b1;
        if (rst) begin
            full    <= 2'b00;
            sending <= 1'b0;
            rptr    <= 0;
            loaded  <= 1'b0;
        end
    end
endmodule
