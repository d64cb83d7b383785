// round(decay * value / 2^D), to nearest, ties away from zero; three cycles.
module decayed #(
    parameter S    = 24,  // bits of the value
    parameter D    = 16,  // fraction bits of the decay
    parameter WIDE = 38   // bits of the result
) (
    input  wire                   clk,
    input  wire                   enable,
    input  wire signed [S-1:0]    value,
    input  wire [D:0]             decay,
    output reg  signed [WIDE-1:0] result
);
    reg [S-1:0] magnitude1;
    reg         negative1, negative2;
    reg [D:0]   decay1;
    reg [S+D:0] product2;

    // verilator lint_off UNUSEDSIGNAL
    wire [S+D:0]           rounded2 = product2 + {{(S+1){1'b0}}, 1'b1, {(D-1){1'b0}}};
    // verilator lint_on UNUSEDSIGNAL
    wire signed [WIDE-1:0] quotient2 = $signed({{(WIDE-S-1){1'b0}}, rounded2[S+D:D]});

    always @(posedge clk) if (enable) begin
        magnitude1 <= value[S-1] ? -value : value;
        negative1  <= value[S-1];
        decay1     <= decay;
        product2   <= magnitude1 * decay1;
        negative2  <= negative1;
        result     <= negative2 ? -quotient2 : quotient2;
    end
endmodule
