// One neuron per cycle through decay, input, bias, threshold and reset:
//
//     i = saturate(round(synapse_decay * i / 2^DECAY_BITS) + (acc << shift) + synapse_bias)   if synaptic
//     v = saturate(round(decay * v / 2^DECAY_BITS) + (synaptic ? i : acc << shift) + bias)
//     spike = fire && v > threshold;  v = spike ? (subtract ? saturate(v - reset) : reset) : v
//
// round: to nearest, ties away from zero. Latency: six cycles from `state` to `next`.
module neuron_update #(
    parameter ACC_BITS    = 20,
    parameter STATE_BITS  = 24,
    parameter DECAY_BITS  = 16,
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
    localparam WIDE = (S > ACC_BITS + 15 ? S : ACC_BITS + 15) + 3;
    localparam signed [WIDE-1:0] TOP = (1 <<< (S-1)) - 1;
    localparam signed [WIDE-1:0] BOTTOM = -(1 <<< (S-1));

    wire [D:0]          decay_in     = param[0 +: D+1];
    wire signed [S-1:0] bias_in      = param[D+1 +: S];
    wire signed [S-1:0] threshold_in = param[D+1+S +: S];
    wire signed [S-1:0] reset_in     = param[D+1+2*S +: S];
    wire signed [S-1:0] initial_in   = param[D+1+3*S +: S];
    wire signed [S-1:0] v_in         = first ? initial_in : state[S-1:0];

    // 1: sign and magnitude of the membrane; 2: product; 3: rounded, signed; 4: at rest, the synapse's turn
    wire signed [WIDE-1:0] decayed3;
    decayed #(.S(S), .D(D), .WIDE(WIDE)) membrane (
        .clk(clk), .enable(enable), .value(v_in), .decay(decay_in), .result(decayed3)
    );

    // The sum is as narrow as it comes until its turn: only then is it shifted.
    reg signed [ACC_BITS-1:0] acc1, acc2, acc3;
    wire signed [WIDE-1:0] acc_wide3 = {{(WIDE-ACC_BITS){acc3[ACC_BITS-1]}}, acc3};
    reg signed [WIDE-1:0] decayed4, input4;
    reg signed [S-1:0]    bias1, bias2, bias3, bias4;
    reg signed [S-1:0]    threshold1, threshold2, threshold3, threshold4, threshold5;
    reg signed [S-1:0]    reset1, reset2, reset3, reset4, reset5;
    // 5: sum, saturated
    reg signed [S-1:0]    v5;
    reg                   saturated5;
    reg signed [S-1:0]    v6;
    wire signed [S-1:0]   current4;
    wire                  saturated4;

    wire signed [WIDE-1:0] current_wide = {{(WIDE-S){current4[S-1]}}, current4};
    wire signed [WIDE-1:0] bias_wide = {{(WIDE-S){bias4[S-1]}}, bias4};
    wire signed [WIDE-1:0] sum4 = decayed4 + (synaptic ? current_wide : input4) + bias_wide;
    wire signed [WIDE-1:0] wide_v5 = {{(WIDE-S){v5[S-1]}}, v5};
    wire signed [WIDE-1:0] lowered5 = wide_v5 - {{(WIDE-S){reset5[S-1]}}, reset5};
    wire                   spike5 = fire && v5 > threshold5;

    always @(posedge clk) if (enable) begin
        acc1       <= acc;
        bias1      <= bias_in;
        threshold1 <= threshold_in;
        reset1     <= reset_in;

        acc2       <= acc1;
        bias2      <= bias1;
        threshold2 <= threshold1;
        reset2     <= reset1;

        acc3       <= acc2;
        bias3      <= bias2;
        threshold3 <= threshold2;
        reset3     <= reset2;

        decayed4   <= decayed3;
        input4     <= acc_wide3 <<< shift;
        bias4      <= bias3;
        threshold4 <= threshold3;
        reset4     <= reset3;

        v5         <= sum4 > TOP ? TOP[S-1:0] : sum4 < BOTTOM ? BOTTOM[S-1:0] : sum4[S-1:0];
        saturated5 <= sum4 > TOP || sum4 < BOTTOM || (synaptic && saturated4);
        threshold5 <= threshold4;
        reset5     <= reset4;

        spike      <= spike5;
        saturated  <= saturated5 || (spike5 && subtract && (lowered5 > TOP || lowered5 < BOTTOM));
        if (!spike5) v6 <= v5;
        else if (!subtract) v6 <= reset5;
        else v6 <= lowered5 > TOP ? TOP[S-1:0] : lowered5 < BOTTOM ? BOTTOM[S-1:0] : lowered5[S-1:0];
    end

    generate
        if (SYNAPSE != 0) begin : synapse
            wire signed [S-1:0]    i_in = first ? {S{1'b0}} : state[S +: S];
            wire [D:0]             i_decay = param[D+1+4*S +: D+1];
            wire signed [S-1:0]    i_bias = param[2*D+2+4*S +: S];
            wire signed [WIDE-1:0] i_decayed3;
            wire signed [WIDE-1:0] acc_wide = {{(WIDE-ACC_BITS){acc[ACC_BITS-1]}}, acc};
            wire signed [WIDE-1:0] entering = acc_wide <<< shift;
            reg signed [WIDE-1:0]  i_input1, i_input2, i_input3;
            reg signed [S-1:0]     i4, i5, i6;
            reg                    i_saturated4;
            wire signed [WIDE-1:0] i_sum3 = i_decayed3 + i_input3;

            decayed #(.S(S), .D(D), .WIDE(WIDE)) current (
                .clk(clk), .enable(enable), .value(i_in), .decay(i_decay), .result(i_decayed3)
            );

            always @(posedge clk) if (enable) begin
                i_input1     <= entering + {{(WIDE-S){i_bias[S-1]}}, i_bias};
                i_input2     <= i_input1;
                i_input3     <= i_input2;
                i4           <= i_sum3 > TOP ? TOP[S-1:0] : i_sum3 < BOTTOM ? BOTTOM[S-1:0] : i_sum3[S-1:0];
                i_saturated4 <= i_sum3 > TOP || i_sum3 < BOTTOM;
                i5           <= i4;
                i6           <= i5;
            end

            assign current4 = i4;
            assign saturated4 = i_saturated4;
            assign next = {i6, v6};
        end else begin : no_synapse
            assign current4 = {S{1'b0}};
            assign saturated4 = 1'b0;
            assign next = v6;
        end
    endgenerate
endmodule
