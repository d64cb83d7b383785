// Sums over bit planes: what leaves the hold chain of one plane, most significant first, is added to what the planes
// before it left, doubled. Where PLANES = 1, nothing but a register.
module plane_sums #(
    parameter LANES    = 32,
    parameter UPDATE   = 2,
    parameter ACC_BITS = 20,
    parameter PLANES   = 1
) (
    input  wire                       clk,
    // verilator lint_off UNUSEDSIGNAL
    input  wire                       take,   // a row comes into the chain
    input  wire                       first,  // its first plane
    input  wire                       moves,  // UPDATE sums leave the chain
    input  wire                       more,   // and are to be kept for the next plane
    // verilator lint_on UNUSEDSIGNAL
    input  wire                       enable,
    input  wire [UPDATE*ACC_BITS-1:0] chain,
    output reg  [UPDATE*ACC_BITS-1:0] sums    // one cycle later
);
    generate
        if (PLANES > 1) begin : planes
            localparam DEPTH = (LANES + UPDATE - 1) / UPDATE;
            localparam DW = DEPTH > 1 ? $clog2(DEPTH) : 1;
            reg [UPDATE*ACC_BITS-1:0] kept [0:DEPTH-1];
            reg [DW-1:0] index, index_before;
            reg          keep, fresh;
            wire [UPDATE*ACC_BITS-1:0] earlier = kept[index];
            wire [UPDATE*ACC_BITS-1:0] total;
            genvar p;
            for (p = 0; p < UPDATE; p = p + 1) begin : sum
                assign total[p*ACC_BITS +: ACC_BITS] = chain[p*ACC_BITS +: ACC_BITS]
                    + (fresh ? {ACC_BITS{1'b0}} : earlier[p*ACC_BITS +: ACC_BITS] << 1);
            end
            always @(posedge clk) begin
                if (enable) sums <= total;
                keep <= moves && more;
                if (take) fresh <= first;
                index_before <= index;
                if (keep) kept[index_before] <= sums;
                index <= take ? {DW{1'b0}} : moves ? index + 1'b1 : index;
            end
        end else begin : no_planes
            always @(posedge clk) if (enable) sums <= chain;
        end
    endgenerate
endmodule
