// First-in first-out queue on a `ram`, with its head already read out (first word falls through).
// `level` counts the words inside, the one at the output included.
module fifo #(
    parameter WIDTH = 32,
    parameter DEPTH = 16,  // a power of two
    parameter AW    = $clog2(DEPTH)
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             push,
    input  wire [WIDTH-1:0] din,
    output reg              valid,
    input  wire             ready,
    output wire [WIDTH-1:0] dout,
    output wire [AW:0]      level
);
    reg [AW:0] wptr, rptr;
    wire [AW:0] stored = wptr - rptr;
    wire        advance = !valid || ready;
    wire        more = wptr != rptr;
    wire        fetch = advance && more;

    assign level = stored + {{AW{1'b0}}, valid};

    ram #(.WIDTH(WIDTH), .DEPTH(DEPTH)) store (
        .clk(clk), .we(push), .waddr(wptr[AW-1:0]), .wdata(din),
        .re(fetch), .raddr(rptr[AW-1:0]), .rdata(dout)
    );

    always @(posedge clk) begin
        if (rst) begin
            wptr  <= 0;
            rptr  <= 0;
            valid <= 1'b0;
        end else begin
            if (push) wptr <= wptr + 1'b1;
            if (fetch) rptr <= rptr + 1'b1;
            if (advance) valid <= more;
        end
    end
endmodule
