// Where the pipelined form has a register in a stream: nothing.
module register_slice #(
    parameter WIDTH = 8
) (
    // verilator lint_off UNUSEDSIGNAL
    input  wire             clk,
    input  wire             rst,
    // verilator lint_on UNUSEDSIGNAL
    input  wire             in_valid,
    output wire             in_ready,
    input  wire [WIDTH-1:0] in,
    output wire             out_valid,
    input  wire             out_ready,
    output wire [WIDTH-1:0] out
);
    assign in_ready  = out_ready;
    assign out_valid = in_valid;
    assign out       = in;
endmodule
