// 8N1 transmitter; `divider` clock cycles per bit.
module uart_tx #(
    parameter BITS = 16  // of the divider
) (
    input  wire            clk,
    input  wire            rst,
    input  wire [BITS-1:0] divider,
    input  wire            valid,
    output wire            ready,
    input  wire [7:0]      data,
    output reg             tx
);
    reg [9:0]      shift;
    reg [3:0]      bits;   // still to be sent
    reg [BITS-1:0] count;

    assign ready = bits == 0;

    always @(posedge clk) begin
        if (rst) begin
            tx   <= 1'b1;
            bits <= 0;
        end else if (ready) begin
            tx <= 1'b1;
            if (valid) begin
                tx    <= 1'b0;
                shift <= {2'b11, data};  // stop bit, and the line at rest after it
                bits  <= 4'd10;
                count <= divider - 1'b1;
            end
        end else if (count != 0) begin
            count <= count - 1'b1;
        end else begin
            tx    <= shift[0];
            shift <= {1'b1, shift[9:1]};
            bits  <= bits - 1'b1;
            // The last bit is cut short by the cycle in which the next byte is taken.
            count <= bits == 4'd2 ? divider - 2 : divider - 1'b1;
        end
    end
endmodule
