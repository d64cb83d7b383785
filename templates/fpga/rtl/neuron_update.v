// One neuron through decay, input, bias, threshold and reset:
//
//     i = saturate(round(synapse_decay * i / 2^DECAY_BITS) + (acc << shift) + synapse_bias)   if synaptic
//     v = saturate(round(decay * v / 2^DECAY_BITS) + (synaptic ? i : acc << shift) + bias)
//     spike = fire && v > threshold;  v = spike ? (subtract ? saturate(v - reset) : reset) : v
//
// round: to nearest, ties away from zero. A neuron per cycle, six cycles from `state` to `next`. Compact: four (five
// where there are synaptic currents), in which what comes in stands still, so that nothing has to be taken along.
//
// Where DIALECTS, the first step of a sample adds `initial` (and to its synaptic current `synapse initial`) in the
// place of what decay left, plus bias; the membrane may see the current of the step before; and what is not `plain`
// takes another way behind the sum (`beyond_plain`), two cycles longer, SPIKES + 4 where SPIKES > 1.
module neuron_update #(
    parameter ACC_BITS    = 20,
    parameter STATE_BITS  = 24,
    parameter DECAY_BITS  = 16,
    parameter SHIFT_MAX   = 15,
    // From bit 0: decay, bias, threshold, reset, initial; where SYNAPSE: synapse decay, synapse bias and, where
    // DIALECTS, synapse initial; where DIALECTS: size of a spike.
    parameter PARAM_BITS  = 128,
    parameter SYNAPSE     = 0,
    parameter DIALECTS    = 0,
    parameter SPIKES      = 1,   // bits of the number of spikes
    parameter STATE_WIDTH = 24   // {synaptic current if there is one, membrane}
) (
    input  wire                         clk,
    input  wire                         enable,  // 0 only while nothing is in the pipeline
    input  wire [STATE_WIDTH-1:0]       state,
    input  wire signed [ACC_BITS-1:0]   acc,
    // A slot is padded to whole words, its top bits carry nothing; what plain hardware does not know is not used there.
    // verilator lint_off UNUSEDSIGNAL
    input  wire [PARAM_BITS-1:0]        param,
    input  wire [3:0]                   dialect,  // {old current, bounded, guard, late}
    input  wire [4:0]                   most,     // spikes in a step
    input  wire                         plain,    // nothing of a dialect is asked for
    // verilator lint_on UNUSEDSIGNAL
    input  wire                         first,
    input  wire [3:0]                   shift,
    input  wire                         fire,
    input  wire                         subtract,
    input  wire                         synaptic,
    output wire [STATE_WIDTH-1:0]       next,
    output wire [SPIKES-1:0]            spikes,
    output wire                         saturated
);
    localparam S = STATE_BITS;
    localparam D = DECAY_BITS;
    localparam PLAIN = SYNAPSE != 0 ? 2 * D + 2 + 5 * S : D + 1 + 4 * S;  // bits of the parameters without dialects
    localparam BEYOND = SPIKES > 1 ? SPIKES + 4 : 2;                       // cycles more that dialects take
    localparam WIDE = (S + 2 > ACC_BITS + SHIFT_MAX ? S + 2 : ACC_BITS + SHIFT_MAX) + 1;

    wire [D:0]          decay_in     = param[0 +: D+1];
    wire signed [S-1:0] bias_in      = param[D+1 +: S];
    wire signed [S-1:0] threshold_in = param[D+1+S +: S];
    wire signed [S-1:0] reset_in     = param[D+1+2*S +: S];
    wire signed [S-1:0] initial_in   = param[D+1+3*S +: S];
    wire                starts       = DIALECTS != 0 && first;  // from `initial`, whatever is left
    wire signed [S-1:0] v_in         = DIALECTS == 0 && first ? initial_in : state[S-1:0];

    // ---------------------------------------------------------------- 1, 2, 3: decay and bias
    wire signed [S+1:0] decayed3;
    decayed #(.S(S), .D(D)) membrane (
        .clk(clk), .enable(enable), .value(v_in), .decay(starts ? {(D+1){1'b0}} : decay_in),
        .bias(starts ? initial_in : bias_in), .result(decayed3)
    );

    // ---------------------------------------------------------------- the input, as far left as it belongs
    // A product, since multipliers are there and a shifter would have to be built.
    wire signed [ACC_BITS-1:0] acc_then;
    reg  [SHIFT_MAX:0]     power;  // of two
    wire [SHIFT_MAX:0]     factor;
    localparam FACTORED = ACC_BITS + SHIFT_MAX + 2;
    wire signed [FACTORED-1:0] low, high;
    wire signed [FACTORED-1:0] factored = low + high;
    wire signed [WIDE-1:0] entering;       // a cycle behind `acc_then`
    integer k;
    stage #(.WIDTH(SHIFT_MAX + 1)) factors (.clk(clk), .enable(1'b1), .in(power), .out(factor));
    product #(.S(ACC_BITS), .D(SHIFT_MAX)) products (
        .clk(clk), .enable(enable), .value(acc_then), .by(factor), .low(low), .high(high)
    );
    always @* for (k = 0; k < SHIFT_MAX + 1; k = k + 1) power[k] = {28'd0, shift} == k;

    generate
        if (WIDE > FACTORED) begin : wider
            assign entering = {{(WIDE-FACTORED){factored[FACTORED-1]}}, factored};
        end else begin : no_wider
            // verilator lint_off UNUSEDSIGNAL
            wire signed [FACTORED-1:0] whole = factored;  // its sign stands in more bits than one
            // verilator lint_on UNUSEDSIGNAL
            assign entering = whole[WIDE-1:0];
        end
    endgenerate

    // ---------------------------------------------------------------- 4: their sum
    wire signed [WIDE-1:0] input4, sum4;  // `input4`: the synaptic current, if there is one
    decay_sum #(.S(S), .WIDE(WIDE)) sums (
        .clk(clk), .enable(enable), .decayed(decayed3), .entering(input4), .sum(sum4)
    );

    // ---------------------------------------------------------------- 5: saturated
    wire                v_over, i_over;
    wire signed [S-1:0] v_next;
    reg  signed [S-1:0] v5;
    reg                 saturated5;
    saturate #(.FROM(WIDE), .TO(S)) sum_cut (.in(sum4), .out(v_next), .over(v_over));

    always @(posedge clk) if (enable) begin
        v5         <= v_next;
        saturated5 <= v_over || (synaptic && i_over);
    end

    // ---------------------------------------------------------------- 6: fired and reset
    wire signed [S-1:0] threshold5, reset5, v6, v_out;
    wire                spike6, saturated6;

    stage #(.WIDTH(2 * S), .CYCLES(5)) levels (
        .clk(clk), .enable(enable), .in({threshold_in, reset_in}), .out({threshold5, reset5})
    );
    fired #(.S(S)) plainly (
        .clk(clk), .enable(enable), .value(v5), .compared(v5), .threshold(threshold5), .reset(reset5),
        .saturated_in(saturated5), .fire(fire), .keeps(1'b0), .subtract(subtract),
        .spike(spike6), .result(v6), .saturated(saturated6)
    );

    generate
        if (DIALECTS != 0) begin : dialects
            localparam [SPIKES-1:0] ONE = 1;
            wire                was_above5, saturated_late;
            wire signed [S-1:0] size5, v_late;
            wire [SPIKES-1:0]   spikes_late;

            wire signed [S-1:0] v1, threshold1;
            stage #(.WIDTH(2 * S)) compared (.clk(clk), .enable(enable), .in({v_in, threshold_in}), .out({v1, threshold1}));
            stage #(.WIDTH(1), .CYCLES(4)) above (
                .clk(clk), .enable(enable), .in(!first && v1 > threshold1), .out(was_above5)
            );
            stage #(.WIDTH(S), .CYCLES(5)) sizes (
                .clk(clk), .enable(enable), .in(param[PLAIN + SYNAPSE * S +: S]), .out(size5)
            );
            beyond_plain #(.S(S), .SPIKES(SPIKES)) more (
                .clk(clk), .enable(enable), .value(v5), .saturated_in(saturated5), .was_above(was_above5),
                .threshold(threshold5), .reset(reset5), .size(size5), .fire(fire), .subtract(subtract),
                .late(dialect[0]), .guard(dialect[1]), .bounds(dialect[2]), .most(most),
                .spikes(spikes_late), .result(v_late), .saturated(saturated_late)
            );
            assign v_out     = plain ? v6 : v_late;
            assign saturated = plain ? saturated6 : saturated_late;
            assign spikes    = plain ? {SPIKES{spike6}} & ONE : spikes_late;
        end else begin : plain_only
            assign {v_out, saturated, spikes} = {v6, saturated6, spike6};
        end
    endgenerate

    generate
        if (SYNAPSE != 0) begin : synapse
            wire signed [S-1:0]    i_in = first ? {S{1'b0}} : state[S +: S];
            wire signed [S+1:0]    i_decayed3;
            wire signed [WIDE-1:0] entering3, entering4, i_sum3;
            wire signed [S-1:0]    i_next, i_seen, i6, i_out;
            wire signed [S-1:0]    i_initial = param[DIALECTS * PLAIN +: S];
            wire                   i_cut;
            reg  signed [S-1:0]    i4;
            reg                    i_over4;

            decayed #(.S(S), .D(D)) current (
                .clk(clk), .enable(enable), .value(i_in), .decay(param[D+1+4*S +: D+1]),
                .bias(starts ? i_initial : param[2*D+2+4*S +: S]), .result(i_decayed3)
            );
            assign acc_then = acc;
            stage #(.WIDTH(WIDE), .CYCLES(2)) to_synapse (
                .clk(clk), .enable(enable), .in(entering), .out(entering3)
            );
            stage #(.WIDTH(WIDE)) to_membrane (
                .clk(clk), .enable(enable), .in(entering3), .out(entering4)
            );
            assign i_sum3 = {{(WIDE-S-2){i_decayed3[S+1]}}, i_decayed3} + entering3;
            saturate #(.FROM(WIDE), .TO(S)) current_cut (.in(i_sum3), .out(i_next), .over(i_cut));
            stage #(.WIDTH(S), .CYCLES(2)) currents (.clk(clk), .enable(enable), .in(i4), .out(i6));
            if (DIALECTS != 0) begin : old
                wire signed [S-1:0] i_old, i_late;
                stage #(.WIDTH(S), .CYCLES(4)) old_currents (.clk(clk), .enable(enable), .in(i_in), .out(i_old));
                stage #(.WIDTH(S), .CYCLES(BEYOND)) late_currents (.clk(clk), .enable(enable), .in(i6), .out(i_late));
                assign i_seen = dialect[3] ? i_old : i4;
                assign i_out  = plain ? i6 : i_late;
            end else begin : plain_only
                assign {i_seen, i_out} = {i4, i6};
            end
            always @(posedge clk) if (enable) begin
                i4      <= i_next;
                i_over4 <= i_cut;
            end
            assign i_over = i_over4;
            assign input4 = synaptic ? {{(WIDE-S){i_seen[S-1]}}, i_seen} : entering4;
            assign next = {i_out, v_out};
        end else begin : no_synapse
            stage #(.WIDTH(ACC_BITS), .CYCLES(2)) accs (.clk(clk), .enable(enable), .in(acc), .out(acc_then));
            stage #(.WIDTH(WIDE)) to_membrane (
                .clk(clk), .enable(enable), .in(entering), .out(input4)
            );
            assign i_over = 1'b0;
            assign next = v_out;
        end
    endgenerate
endmodule
