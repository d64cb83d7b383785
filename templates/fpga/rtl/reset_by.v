// A membrane after a reset: lowered, or set.
module reset_by #(
    parameter S = 24
) (
    input  wire signed [S-1:0] value,
    input  wire signed [S-1:0] reset,
    input  wire                subtract,
    output wire signed [S-1:0] result,
    output wire                over      // what was lowered is too low, or too high
);
    wire signed [S:0]   lowered = {value[S-1], value} - {reset[S-1], reset};
    wire signed [S-1:0] lowest;
    wire                cut;

    saturate #(.FROM(S + 1), .TO(S)) lowered_cut (.in(lowered), .out(lowest), .over(cut));

    assign result = subtract ? lowest : reset;
    assign over   = subtract && cut;
endmodule
