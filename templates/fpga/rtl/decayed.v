// round(decay * value / 2^D) + bias, to nearest, ties away from zero: half is added to the product, one unit less where
// it is negative. Three cycles; one in the compact form, in a multiplier that adds.
module decayed #(
    parameter S = 24,  // bits of value and bias
    parameter D = 16   // fraction bits of the decay
) (
    input  wire                  clk,
    input  wire                  enable,
    input  wire signed [S-1:0]   value,
    input  wire [D:0]            decay,
    input  wire signed [S-1:0]   bias,
    output wire signed [S+1:0]   result
);
    localparam P = S + D + 2;  // bits of the product, and of its sum with the bias
    wire signed [S-1:0] value1, bias1, bias2;
    wire [D:0]          decay1;
    wire                negative2;
    wire signed [P-1:0] low2, high2;
    wire signed [P-1:0] addend2 = {{2{bias2[S-1]}}, bias2, !negative2, {(D-1){negative2}}};
    // verilator lint_off UNUSEDSIGNAL
    reg  signed [P-1:0] total;  // the fraction's bits are dropped
    // verilator lint_on UNUSEDSIGNAL

    stage #(.WIDTH(2 * S + D + 1)) factors (
        .clk(clk), .enable(enable), .in({value, decay, bias}), .out({value1, decay1, bias1})
    );
    product #(.S(S), .D(D)) products (
        .clk(clk), .enable(enable), .value(value1), .by(decay1), .low(low2), .high(high2)
    );
    stage #(.WIDTH(S + 1)) summands (
        .clk(clk), .enable(enable), .in({bias1, value1[S-1]}), .out({bias2, negative2})
    );

    always @(posedge clk) if (enable) total <= low2 + high2 + addend2;

    assign result = total[P-1:D];
endmodule
