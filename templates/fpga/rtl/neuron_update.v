// One neuron through decay, input, bias, threshold and reset:
//
//     i = saturate(round(synapse_decay * i / 2^DECAY_BITS) + (acc << shift) + synapse_bias)   if synaptic
//     v = saturate(round(decay * v / 2^DECAY_BITS) + (synaptic ? i : acc << shift) + bias)
//     spike = fire && v > threshold;  v = spike ? (subtract ? saturate(v - reset) : reset) : v
//
// round: to nearest, ties away from zero. A neuron per cycle, six cycles from `state` to `next`. Compact: four (five
// where there are synaptic currents), in which what comes in stands still, so that nothing has to be taken along.
module neuron_update #(
    parameter ACC_BITS    = 20,
    parameter STATE_BITS  = 24,
    parameter DECAY_BITS  = 16,
    parameter SHIFT_MAX   = 15,
    parameter PARAM_BITS  = 128, // decay, bias, threshold, reset, initial, synapse decay, synapse bias, from bit 0
    parameter SYNAPSE     = 0,
    parameter STATE_WIDTH = 24   // {synaptic current if there is one, membrane}
) (
    input  wire                         clk,
    input  wire                         enable,  // 0 only while nothing is in the pipeline
    input  wire [STATE_WIDTH-1:0]       state,
    input  wire signed [ACC_BITS-1:0]   acc,
    // A slot is padded to whole words, its top bits carry nothing.
    // verilator lint_off UNUSEDSIGNAL
    input  wire [PARAM_BITS-1:0]        param,
    // verilator lint_on UNUSEDSIGNAL
    input  wire                         first,
    input  wire [3:0]                   shift,
    input  wire                         fire,
    input  wire                         subtract,
    input  wire                         synaptic,
    output wire [STATE_WIDTH-1:0]       next,
    output reg                          spike,
    output reg                          saturated
);
    localparam S = STATE_BITS;
    localparam D = DECAY_BITS;
    localparam WIDE = (S > ACC_BITS + SHIFT_MAX ? S : ACC_BITS + SHIFT_MAX) + 3;

    wire [D:0]          decay_in     = param[0 +: D+1];
    wire signed [S-1:0] bias_in      = param[D+1 +: S];
    wire signed [S-1:0] threshold_in = param[D+1+S +: S];
    wire signed [S-1:0] reset_in     = param[D+1+2*S +: S];
    wire signed [S-1:0] initial_in   = param[D+1+3*S +: S];
    wire signed [S-1:0] v_in         = first ? initial_in : state[S-1:0];

    // ---------------------------------------------------------------- 1, 2, 3: decay and bias
    wire signed [S+1:0] decayed3;
    decayed #(.S(S), .D(D)) membrane (
        .clk(clk), .enable(enable), .value(v_in), .decay(decay_in), .bias(bias_in), .result(decayed3)
    );

    // ---------------------------------------------------------------- the input, as far left as it belongs
    // A product, since multipliers are there and a shifter would have to be built.
    wire signed [ACC_BITS-1:0] acc_then;
    reg  [SHIFT_MAX+1:0]   power;  // of two; its sign is 0
    wire signed [WIDE-1:0] entering = acc_then * $signed(power);
    integer k;
    always @* for (k = 0; k < SHIFT_MAX + 2; k = k + 1) power[k] = k <= SHIFT_MAX && {28'd0, shift} == k;

    // ---------------------------------------------------------------- 4: their sum
    wire signed [WIDE-1:0] input4, sum4;  // `input4`: the synaptic current, if there is one
    decay_sum #(.S(S), .WIDE(WIDE)) sums (
        .clk(clk), .enable(enable), .decayed(decayed3), .entering(input4), .sum(sum4)
    );

    // ---------------------------------------------------------------- 5: saturated
    wire                v_over, i_over;
    wire signed [S-1:0] v_next, threshold5, reset5;
    reg  signed [S-1:0] v5, v6;
    reg                 saturated5;
    saturate #(.FROM(WIDE), .TO(S)) sum_cut (.in(sum4), .out(v_next), .over(v_over));
    stage #(.WIDTH(S), .CYCLES(5)) thresholds (.clk(clk), .enable(enable), .in(threshold_in), .out(threshold5));
    stage #(.WIDTH(S), .CYCLES(5)) resets (.clk(clk), .enable(enable), .in(reset_in), .out(reset5));

    // ---------------------------------------------------------------- 6: fired and reset
    wire                spike5 = fire && v5 > threshold5;
    wire signed [S:0]   lowered5 = {v5[S-1], v5} - {reset5[S-1], reset5};
    wire signed [S-1:0] lowest5;
    wire                lowered_over;
    saturate #(.FROM(S + 1), .TO(S)) reset_cut (.in(lowered5), .out(lowest5), .over(lowered_over));

    always @(posedge clk) if (enable) begin
        v5         <= v_next;
        saturated5 <= v_over || (synaptic && i_over);
        spike      <= spike5;
        saturated  <= saturated5 || (spike5 && subtract && lowered_over);
        v6         <= !spike5 ? v5 : subtract ? lowest5 : reset5;
    end

    generate
        if (SYNAPSE != 0) begin : synapse
            wire signed [S-1:0]    i_in = first ? {S{1'b0}} : state[S +: S];
            wire signed [S+1:0]    i_decayed3;
            wire signed [WIDE-1:0] entering3, entering4, i_sum3;
            wire signed [S-1:0]    i_next, i6;
            wire                   i_cut;
            reg  signed [S-1:0]    i4;
            reg                    i_over4;

            decayed #(.S(S), .D(D)) current (
                .clk(clk), .enable(enable), .value(i_in), .decay(param[D+1+4*S +: D+1]),
                .bias(param[2*D+2+4*S +: S]), .result(i_decayed3)
            );
            assign acc_then = acc;
            stage #(.WIDTH(WIDE), .CYCLES(3)) to_synapse (
                .clk(clk), .enable(enable), .in(entering), .out(entering3)
            );
            stage #(.WIDTH(WIDE)) to_membrane (
                .clk(clk), .enable(enable), .in(entering3), .out(entering4)
            );
            assign i_sum3 = {{(WIDE-S-2){i_decayed3[S+1]}}, i_decayed3} + entering3;
            saturate #(.FROM(WIDE), .TO(S)) current_cut (.in(i_sum3), .out(i_next), .over(i_cut));
            stage #(.WIDTH(S), .CYCLES(2)) currents (.clk(clk), .enable(enable), .in(i4), .out(i6));
            always @(posedge clk) if (enable) begin
                i4      <= i_next;
                i_over4 <= i_cut;
            end
            assign i_over = i_over4;
            assign input4 = synaptic ? {{(WIDE-S){i4[S-1]}}, i4} : entering4;
            assign next = {i6, v6};
        end else begin : no_synapse
            stage #(.WIDTH(ACC_BITS), .CYCLES(3)) accs (.clk(clk), .enable(enable), .in(acc), .out(acc_then));
            stage #(.WIDTH(WIDE)) to_membrane (
                .clk(clk), .enable(enable), .in(entering), .out(input4)
            );
            assign i_over = 1'b0;
            assign next = v6;
        end
    endgenerate
endmodule
