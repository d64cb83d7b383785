// The lanes that share one 32-bit slice of the weight memory: per lane one accumulator, and one
// hold register that shifts the finished sums to the update unit while the next row accumulates.
//
// Timing: `read` with `addr` now, `weights` two cycles later (compact: one), `acc_enable` a cycle after that (compact: with
// them) sums them.
// The enables are the same for all lanes and formed outside: one condition for the whole row.
module lane_bank #(
    parameter WEIGHT_BITS = 8,
    parameter PACKED      = 1,
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
    // verilator lint_off UNUSEDSIGNAL
    input  wire [3:0]                 part,        // of them that is summed, with them (`unpacked`)
    // verilator lint_on UNUSEDSIGNAL
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

    wire [31:0] values, summed;
    stage #(.WIDTH(32)) read_out (.clk(clk), .enable(enable), .in(row), .out(weights));
    stage #(.WIDTH(32)) to_lanes (.clk(clk), .enable(1'b1), .in(values), .out(summed));

    generate
        if (PACKED > 1) begin : several
            unpacked #(.WEIGHT_BITS(WEIGHT_BITS), .PACKED(PACKED)) of_places (
                .places(weights), .part(part), .weights(values)
            );
        end else begin : single
            assign values = weights;
        end
    endgenerate

    assign chain[LANES*ACC_BITS +: UPDATE*ACC_BITS] = chain_in;
    assign chain_out = chain[0 +: UPDATE*ACC_BITS];

    wire [LANES*ACC_BITS-1:0] sums;
    reg  [LANES*ACC_BITS-1:0] held;

    assign chain[0 +: LANES*ACC_BITS] = held;

    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 2) begin : pair
            lane_sums #(.WEIGHT_BITS(WEIGHT_BITS), .ACC_BITS(ACC_BITS)) lanes (
                .clk(clk), .enable(acc_enable), .clear(acc_clear), .weights(summed[i*WEIGHT_BITS +: 2*WEIGHT_BITS]),
                .sums(sums[i*ACC_BITS +: 2*ACC_BITS])
            );
        end
    endgenerate

    always @(posedge clk) if (hold_enable) held <= hold_take ? sums : chain[UPDATE*ACC_BITS +: LANES*ACC_BITS];
endmodule
