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
    genvar i;
    generate
        if (CYCLES >= 5 && WIDTH >= 8) begin : ring  // a small memory that is written where it is read, and one register
            localparam AW   = $clog2(CYCLES - 1);
            localparam LAST = CYCLES - 2;
            (* ram_style = "distributed" *)
            reg [WIDTH-1:0] kept [0:CYCLES-2];
            reg [WIDTH-1:0] oldest;
            reg [AW-1:0]    at;

            initial at = 0;
            assign out = oldest;
            always @(posedge clk) if (enable) begin
                oldest   <= kept[at];
                kept[at] <= in;
                at       <= at == LAST[AW-1:0] ? {AW{1'b0}} : at + 1'b1;
            end
        end else begin : line
            wire [WIDTH*(CYCLES+1)-1:0] taps;
            assign taps[WIDTH-1:0] = in;
            assign out = taps[WIDTH*CYCLES +: WIDTH];
            for (i = 0; i < CYCLES; i = i + 1) begin : register
                reg [WIDTH-1:0] value;
                always @(posedge clk) if (enable) value <= taps[WIDTH*i +: WIDTH];
                assign taps[WIDTH*(i+1) +: WIDTH] = value;
            end
        end
    endgenerate
endmodule
