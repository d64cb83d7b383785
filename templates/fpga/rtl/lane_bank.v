// The lanes that share one 32-bit slice of the weight memory: per lane one accumulator, and one
// hold register that shifts the finished sums to the update unit while the next row accumulates.
//
// Timing: `read` with `addr` now, `weights` two cycles later (compact: one), `acc_enable` then sums them.
// The enables are the same for all lanes and formed outside: one condition for the whole row.
module lane_bank #(
    parameter WEIGHT_BITS = 8,
    parameter ACC_BITS    = 20,
    parameter ROWS        = 2048,
    parameter UPDATE      = 2,
    parameter AW          = $clog2(ROWS)
) (
    input  wire                       clk,
    // weights
    input  wire [AW-1:0]              addr,
    input  wire                       we,          // only while no row is walked
    input  wire [31:0]                wdata,
    output wire [31:0]                weights,
    // walk
    input  wire                       enable,
    input  wire                       read,
    input  wire                       acc_enable,
    input  wire                       acc_clear,
    // hold chain
    input  wire                       hold_enable,
    input  wire                       hold_take,   // the sums, not the chain
    input  wire [UPDATE*ACC_BITS-1:0] chain_in,
    output wire [UPDATE*ACC_BITS-1:0] chain_out
);
    localparam LANES = 32 / WEIGHT_BITS;

    wire [31:0] row;
    wire [(LANES+UPDATE)*ACC_BITS-1:0] chain;

    ram_one_port #(.WIDTH(32), .DEPTH(ROWS)) memory (
        .clk(clk), .addr(addr), .we(we), .wdata(wdata), .re(read && enable), .rdata(row)
    );

    stage #(.WIDTH(32)) read_out (.clk(clk), .enable(enable), .in(row), .out(weights));

    assign chain[LANES*ACC_BITS +: UPDATE*ACC_BITS] = chain_in;
    assign chain_out = chain[0 +: UPDATE*ACC_BITS];

    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : lane
            wire signed [WEIGHT_BITS-1:0] weight = weights[i*WEIGHT_BITS +: WEIGHT_BITS];
            reg signed [ACC_BITS-1:0] acc;
            reg signed [ACC_BITS-1:0] hold;

            assign chain[i*ACC_BITS +: ACC_BITS] = hold;

            always @(posedge clk) begin
                if (acc_enable)
                    acc <= acc_clear ? {ACC_BITS{1'b0}}
                                     : acc + {{(ACC_BITS-WEIGHT_BITS){weight[WEIGHT_BITS-1]}}, weight};
                if (hold_enable)
                    hold <= hold_take ? acc : chain[(i+UPDATE)*ACC_BITS +: ACC_BITS];
            end
        end
    endgenerate
endmodule
