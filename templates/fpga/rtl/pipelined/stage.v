// Registers that only make paths shorter: what comes in, CYCLES cycles later. The compact form has none of them.
module stage #(
    parameter WIDTH  = 8,
    parameter CYCLES = 1   // at least 1
) (
    input  wire             clk,
    input  wire             enable,
    input  wire [WIDTH-1:0] in,
    output wire [WIDTH-1:0] out
);
    wire [WIDTH*(CYCLES+1)-1:0] taps;
    assign taps[WIDTH-1:0] = in;
    assign out = taps[WIDTH*CYCLES +: WIDTH];

    genvar i;
    generate
        for (i = 0; i < CYCLES; i = i + 1) begin : register
            reg [WIDTH-1:0] value;
            always @(posedge clk) if (enable) value <= taps[WIDTH*i +: WIDTH];
            assign taps[WIDTH*(i+1) +: WIDTH] = value;
        end
    endgenerate
endmodule
