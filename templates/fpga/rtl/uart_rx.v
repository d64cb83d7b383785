// 8N1 receiver; `divider` clock cycles per bit, at least 4.
module uart_rx #(
    parameter BITS = 16  // of the divider
) (
    input  wire            clk,
    input  wire            rst,
    input  wire [BITS-1:0] divider,
    input  wire            rx,
    output reg             valid,
    output reg  [7:0]      data
);
    reg            sync1, sync2, busy;
    reg [BITS-1:0] count;
    reg [3:0]      bits;  // 0 start, 1..8 data, 9 stop

    always @(posedge clk) begin
        sync1 <= rx;
        sync2 <= sync1;
        valid <= 1'b0;
        if (rst) begin
            busy <= 1'b0;
        end else if (!busy) begin
            busy  <= !sync2;
            bits  <= 0;
            count <= (divider >> 1) - 1'b1;
        end else if (count != 0) begin
            count <= count - 1'b1;
        end else begin
            count <= divider - 1'b1;
            bits  <= bits + 1'b1;
            if (bits == 4'd0) busy <= !sync2;
            else if (bits == 4'd9) begin
                busy  <= 1'b0;
                valid <= sync2;
            end else data <= {sync2, data[7:1]};
        end
    end
endmodule
