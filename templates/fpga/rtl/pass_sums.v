// Sums over the passes of a row, as they leave the hold chain. Where there are bit planes, what a pass left, doubled, is
// added to the next one's, the most significant plane first. Where there are maxima, a pass may be a position of a window
// (`kind`): the largest of the window's is kept, and added to the row when the window closes. Where there are neither,
// nothing but a register. What is kept is read a cycle ahead.
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
            // What is read of a place that is written in the same cycle: those sums. Chosen behind registers, as else the
            // tools read by an address in a register, which is late.
            reg [UPDATE*ACC_BITS-1:0] sums_then;
            wire [DW-1:0] index_next = take ? {DW{1'b0}} : moves ? index + 1'b1 : index;
            wire         same = index_before == index_next;
            wire [1:0]   now;                 // kind of the pass in the chain; it stands for a cycle after its last move
            wire [UPDATE*ACC_BITS-1:0] doubled, total;   // of the planes before
            genvar p;

            always @(posedge clk) begin
                if (enable) sums <= total;
                keep <= moves && more;
                sums_then <= sums;
                index_before <= index;
                index <= index_next;
            end

            if (PLANES > 1) begin : planes
                (* no_rw_check, ram_style = "distributed" *)
                reg [UPDATE*ACC_BITS-1:0] kept [0:DEPTH-1];
                reg [UPDATE*ACC_BITS-1:0] was_kept;
                reg          just_kept;
                wire [UPDATE*ACC_BITS-1:0] earlier = just_kept ? sums_then : was_kept;
                reg          fresh;           // no plane was before this one
                wire         fresh_next = take ? first || now != 0 : fresh;
                wire         keeps = keep && now == 0;
                for (p = 0; p < UPDATE; p = p + 1) begin : twice
                    assign doubled[p*ACC_BITS +: ACC_BITS] = earlier[p*ACC_BITS +: ACC_BITS] << 1;
                end
                always @(posedge clk) begin
                    fresh <= fresh_next;
                    if (keeps) kept[index_before] <= sums;
                    was_kept  <= fresh_next ? {UPDATE*ACC_BITS{1'b0}} : kept[index_next];
                    just_kept <= keeps && same && !fresh_next;
                end
            end else begin : no_planes
                assign doubled = {UPDATE*ACC_BITS{1'b0}};
            end

            if (MAXIMA != 0) begin : maxima
                (* no_rw_check, ram_style = "distributed" *)
                reg [UPDATE*ACC_BITS-1:0] largest [0:DEPTH-1]; // of the window
                (* no_rw_check, ram_style = "distributed" *)
                reg [UPDATE*ACC_BITS-1:0] windows [0:DEPTH-1]; // of the row, those that are closed: their sum
                reg [UPDATE*ACC_BITS-1:0] was_largest, was_closed;
                reg          just_largest, just_closed;
                wire [UPDATE*ACC_BITS-1:0] most = just_largest ? sums_then : was_largest;
                wire [UPDATE*ACC_BITS-1:0] others = just_closed ? sums_then : was_closed;
                reg [1:0]    kind_now;
                reg          open, closed;    // there were positions of this window, there were windows
                wire         adds = closed && (now[1] || !more);
                wire         positions = keep && now == 1;
                wire         closes = keep && now[1];
                for (p = 0; p < UPDATE; p = p + 1) begin : greater
                    wire signed [ACC_BITS-1:0] one = chain[p*ACC_BITS +: ACC_BITS], two = doubled[p*ACC_BITS +: ACC_BITS];
                    wire signed [ACC_BITS-1:0] other = most[p*ACC_BITS +: ACC_BITS];
                    wire [ACC_BITS-1:0] added = adds ? others[p*ACC_BITS +: ACC_BITS] : {ACC_BITS{1'b0}};
                    // Both sums at once and beside the comparison, each of them with one carry: it takes as long.
                    wire [ACC_BITS-1:0] one_more = one + two + added, other_more = other + added;
                    // verilator lint_off UNUSEDSIGNAL
                    wire signed [ACC_BITS+1:0] above = {{2{one[ACC_BITS-1]}}, one} + {{2{two[ACC_BITS-1]}}, two}
                                                     - {{2{other[ACC_BITS-1]}}, other};  // its sign alone
                    // verilator lint_on UNUSEDSIGNAL
                    assign total[p*ACC_BITS +: ACC_BITS] = open && now != 0 && (now == 3 || above[ACC_BITS+1]) ? other_more
                                                                                                               : one_more;
                end
                assign now = kind_now;
                always @(posedge clk) begin
                    if (take) begin
                        kind_now <= kind;
                        open     <= !first && (now == 1 || (now == 0 && open));
                        closed   <= !first && (now[1] || closed);
                    end
                    if (positions) largest[index_before] <= sums;
                    if (closes) windows[index_before] <= sums;
                    was_largest  <= largest[index_next];
                    just_largest <= positions && same;
                    was_closed   <= windows[index_next];
                    just_closed  <= closes && same;
                end
            end else begin : no_maxima
                assign now = 2'd0;
                for (p = 0; p < UPDATE; p = p + 1) begin : sum
                    assign total[p*ACC_BITS +: ACC_BITS] = chain[p*ACC_BITS +: ACC_BITS] + doubled[p*ACC_BITS +: ACC_BITS];
                end
            end
        end else begin : single
            always @(posedge clk) if (enable) sums <= chain;
        end
    endgenerate
endmodule
