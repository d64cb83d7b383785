// What dialects do of a neuron behind its sum, in three cycles (where SPIKES > 1, SPIKES + 5): a reset left over from
// the step before, spikes (perhaps several) and their reset, and a bound from below.
module beyond_plain #(
    parameter S      = 24,
    parameter SPIKES = 1
) (
    input  wire                clk,
    input  wire                enable,
    input  wire signed [S-1:0] value,
    input  wire                saturated_in,
    input  wire                was_above,  // the threshold, when the step began
    input  wire signed [S-1:0] threshold,
    input  wire signed [S-1:0] reset,
    input  wire signed [S-1:0] size,
    input  wire                fire,
    input  wire                subtract,
    input  wire                late,       // resets come one step late
    input  wire                guard,      // what is above the threshold must rise by one more to fire
    input  wire                bounds,     // from below, by -size
    // verilator lint_off UNUSEDSIGNAL
    input  wire [4:0]          most,       // spikes in a step
    // verilator lint_on UNUSEDSIGNAL
    output reg  [SPIKES-1:0]   spikes,
    output reg  signed [S-1:0] result,
    output reg                 saturated
);
    // ---------------------------------------------------------------- 1: the membrane still says that it fired
    wire signed [S-1:0] kept, compared, threshold1, reset1, size1;
    wire                saturated1;

    late_reset #(.S(S)) left_over (
        .clk(clk), .enable(enable), .value(value), .saturated_in(saturated_in), .resets(was_above && (late || guard)),
        .keeps(!late), .reset(reset), .subtract(subtract), .kept(kept), .compared(compared), .saturated(saturated1)
    );
    stage #(.WIDTH(3 * S)) levels (
        .clk(clk), .enable(enable), .in({threshold, reset, size}), .out({threshold1, reset1, size1})
    );

    // ---------------------------------------------------------------- 2: spikes
    localparam COUNTING = SPIKES > 1 ? SPIKES + 3 : 1;
    wire [SPIKES-1:0]   spikes2;
    wire signed [S-1:0] v2, size2;
    wire                saturated2;

    generate
        if (SPIKES > 1) begin : several
            spike_count #(.S(S), .SPIKES(SPIKES)) count (
                .clk(clk), .enable(enable), .value(kept), .compared(compared), .threshold(threshold1),
                .size(size1), .reset(reset1), .saturated_in(saturated1), .fire(fire), .keeps(late),
                .subtract(subtract), .most(most[SPIKES-1:0]), .spikes(spikes2), .result(v2), .saturated(saturated2)
            );
        end else begin : one
            fired #(.S(S)) once (
                .clk(clk), .enable(enable), .value(kept), .compared(compared), .threshold(threshold1),
                .reset(reset1), .saturated_in(saturated1), .fire(fire), .keeps(late), .subtract(subtract),
                .spike(spikes2), .result(v2), .saturated(saturated2)
            );
        end
    endgenerate

    // ---------------------------------------------------------------- 3: not below
    stage #(.WIDTH(S), .CYCLES(COUNTING)) sizes (.clk(clk), .enable(enable), .in(size1), .out(size2));

    always @(posedge clk) if (enable) begin
        spikes    <= spikes2;
        result    <= bounds && v2 < -size2 ? -size2 : v2;
        saturated <= saturated2;
    end
endmodule
