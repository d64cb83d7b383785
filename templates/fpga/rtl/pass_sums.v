// Sums over the passes of a row, as they leave the hold chain. Where there are bit planes, what a pass left, doubled, is
// added to the next one's, the most significant plane first. Where there are maxima, a pass may be a position of a window
// (`kind`): the largest of the window's is kept, and added to the row when the window closes. Where there are neither,
// nothing but a register.
module pass_sums #(
    parameter LANES    = 32,
    parameter UPDATE   = 2,
    parameter ACC_BITS = 20,
    parameter PLANES   = 1,
    parameter MAXIMA   = 0
) (
    input  wire                       clk,
    // verilator lint_off UNUSEDSIGNAL
    input  wire                       take,   // a pass comes into the chain
    input  wire                       first,  // its row's first one
    input  wire [1:0]                 kind,   // 1 a position, 2 the last one of its window, 3 none, but closes it; 0 else
    input  wire                       moves,  // UPDATE sums leave the chain
    input  wire                       more,   // and are to be kept for the next pass
    // verilator lint_on UNUSEDSIGNAL
    input  wire                       enable,
    input  wire [UPDATE*ACC_BITS-1:0] chain,
    output reg  [UPDATE*ACC_BITS-1:0] sums    // one cycle later
);
    generate
        if (PLANES > 1 || MAXIMA != 0) begin : passes
            localparam DEPTH = (LANES + UPDATE - 1) / UPDATE;
            localparam DW = DEPTH > 1 ? $clog2(DEPTH) : 1;
            reg [DW-1:0] index, index_before;
            reg          keep;
            wire [1:0]   now;                 // kind of the pass in the chain; it stands for a cycle after its last move
            wire [UPDATE*ACC_BITS-1:0] pass, total;
            genvar p;

            always @(posedge clk) begin
                if (enable) sums <= total;
                keep <= moves && more;
                index_before <= index;
                index <= take ? {DW{1'b0}} : moves ? index + 1'b1 : index;
            end

            if (PLANES > 1) begin : planes
                reg [UPDATE*ACC_BITS-1:0] kept [0:DEPTH-1];
                reg          fresh;           // no plane was before this one
                wire [UPDATE*ACC_BITS-1:0] earlier = kept[index];
                for (p = 0; p < UPDATE; p = p + 1) begin : sum
                    assign pass[p*ACC_BITS +: ACC_BITS] = chain[p*ACC_BITS +: ACC_BITS]
                        + (fresh ? {ACC_BITS{1'b0}} : earlier[p*ACC_BITS +: ACC_BITS] << 1);
                end
                always @(posedge clk) begin
                    if (take) fresh <= first || now != 0;
                    if (keep && now == 0) kept[index_before] <= sums;
                end
            end else begin : no_planes
                assign pass = chain;
            end

            if (MAXIMA != 0) begin : maxima
                reg [UPDATE*ACC_BITS-1:0] largest [0:DEPTH-1]; // of the window
                reg [UPDATE*ACC_BITS-1:0] windows [0:DEPTH-1]; // of the row, those that are closed: their sum
                reg [1:0]    kind_now;
                reg          open, earlier;   // there were positions of this window, there were windows
                wire [UPDATE*ACC_BITS-1:0] most = largest[index], others = windows[index];
                wire         adds = earlier && (now[1] || !more);
                for (p = 0; p < UPDATE; p = p + 1) begin : greater
                    wire signed [ACC_BITS-1:0] one = pass[p*ACC_BITS +: ACC_BITS];
                    wire signed [ACC_BITS-1:0] other = most[p*ACC_BITS +: ACC_BITS];
                    wire [ACC_BITS-1:0] found = open && now != 0 && (now == 3 || other > one) ? other : one;
                    assign total[p*ACC_BITS +: ACC_BITS] = found
                        + (adds ? others[p*ACC_BITS +: ACC_BITS] : {ACC_BITS{1'b0}});
                end
                assign now = kind_now;
                always @(posedge clk) begin
                    if (take) begin
                        kind_now <= kind;
                        open     <= !first && (now == 1 || (now == 0 && open));
                        earlier  <= !first && (now[1] || earlier);
                    end
                    if (keep && now == 1) largest[index_before] <= sums;
                    if (keep && now[1]) windows[index_before] <= sums;
                end
            end else begin : no_maxima
                assign now = 2'd0;
                assign total = pass;
            end
        end else begin : single
            always @(posedge clk) if (enable) sums <= chain;
        end
    endgenerate
endmodule
