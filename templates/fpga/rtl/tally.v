// What each sample comes to, neuron by neuron: a memory of sums, which the read-out adds to and reads.
//
// An item is read with `at`; a cycle later it stands in `held`, and `add` or `empty` write it, which can be read three
// cycles later. All are zero when a run begins and after they were emptied.
module tally #(
    parameter COUNTERS = 1024,
    parameter CW       = $clog2(COUNTERS)
) (
    input  wire          clk,
    input  wire          run,      // 0: all are emptied
    output wire          ready,    // they have been
    input  wire [CW-1:0] at,
    input  wire          add,
    input  wire          empty,
    input  wire          largest,  // takes the larger one (numbers with a sign), or, where `once`, what came first; else the sum
    input  wire          once,
    input  wire          fresh,    // nothing was added before
    input  wire [31:0]   value,
    output wire [31:0]   held
);
    reg  [CW-1:0] there;
    reg  [CW:0]   swept;
    // A cycle later, as a sum takes long; and, pipelined, written in another.
    reg           writes, zero, adds, first, anew;
    reg  [CW-1:0] place;
    reg  [31:0]   old, given;
    wire          takes = first ? old == 32'd0 : anew || $signed(given) > $signed(old);

    wire [31:0]   result = zero ? 32'd0 : adds ? old + given : takes ? given : old;
    wire          we;
    wire [CW-1:0] waddr;
    wire [31:0]   wdata;

    assign ready = swept[CW];

    stage #(.WIDTH(CW + 33)) to_memory (
        .clk(clk), .enable(1'b1), .in({writes, place, result}), .out({we, waddr, wdata})
    );

    ram #(.WIDTH(32), .DEPTH(COUNTERS)) sums (
        .clk(clk), .we(we), .waddr(waddr), .wdata(wdata), .re(1'b1), .raddr(at), .rdata(held)
    );

    always @(posedge clk) begin
        writes <= add || empty || !ready;
        place  <= ready ? there : swept[CW-1:0];
        zero   <= empty || !ready;
        adds   <= !largest;
        first  <= once;
        anew   <= fresh;
        old    <= held;
        given  <= value;
        there  <= at;
        if (!run) swept <= 0;
        else if (!ready) swept <= swept + 1'b1;
    end
endmodule
