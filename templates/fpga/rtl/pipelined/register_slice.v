// A stream's register, without a path from end to end in either direction: what comes in goes on a cycle later, and
// there is room for one more while it waits.
module register_slice #(
    parameter WIDTH = 8
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             in_valid,
    output wire             in_ready,
    input  wire [WIDTH-1:0] in,
    output reg              out_valid,
    input  wire             out_ready,
    output reg  [WIDTH-1:0] out
);
    reg             full;    // `spare` waits behind `out`
    reg [WIDTH-1:0] spare;
    wire            moves = out_ready || !out_valid;

    assign in_ready = !full;

    always @(posedge clk) begin
        if (rst) begin
            out_valid <= 1'b0;
            full      <= 1'b0;
        end else begin
            if (moves) out_valid <= full || in_valid;
            full <= !moves && (full || in_valid);
        end
        if (moves) out <= full ? spare : in;
        if (!full) spare <= in;
    end
endmodule
