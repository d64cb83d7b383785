// The bits `low` to `high` of a word, or none: one cycle. A family may have memory to spare for it: then a module of this
// name stands in the place of this one (`cells` in a board's file).
module run_mask (
    input  wire        clk,
    input  wire        enable,
    input  wire        none,
    input  wire [4:0]  low,
    input  wire [4:0]  high,
    output wire [31:0] mask
);
    reg       any;
    reg [4:0] from, to;

    assign mask = any ? 32'hFFFFFFFF << from & 32'hFFFFFFFF >> (5'd31 - to) : 32'd0;

    always @(posedge clk) if (enable) {any, from, to} <= {!none, low, high};
endmodule
