// What comes in, so many cycles later.
module delay #(
    parameter WIDTH  = 8,
    parameter CYCLES = 1
) (
    // verilator lint_off UNUSEDSIGNAL
    input  wire             clk,     // without a cycle there is nothing to clock
    input  wire             enable,
    // verilator lint_on UNUSEDSIGNAL
    input  wire [WIDTH-1:0] in,
    output wire [WIDTH-1:0] out
);
    genvar i;
    generate
        if (CYCLES == 0) begin : none
            assign out = in;
        end else begin : some
            wire [WIDTH*(CYCLES+1)-1:0] taps;
            assign taps[WIDTH-1:0] = in;
            assign out = taps[WIDTH*CYCLES +: WIDTH];
            for (i = 0; i < CYCLES; i = i + 1) begin : stage
                reg [WIDTH-1:0] value;
                always @(posedge clk) if (enable) value <= taps[WIDTH*i +: WIDTH];
                assign taps[WIDTH*(i+1) +: WIDTH] = value;
            end
        end
    endgenerate
endmodule
