// One neuron per cycle through decay, input, bias, threshold and reset:
//
//     v = saturate(round(decay * v / 2^DECAY_BITS) + (acc << shift) + bias)
//     spike = fire && v > threshold;  v = spike ? (subtract ? saturate(v - reset) : reset) : v
//
// round: to nearest, ties away from zero. Latency: STAGES cycles from `state` to `next`.
module neuron_update #(
    parameter ACC_BITS   = 20,
    parameter STATE_BITS = 24,
    parameter DECAY_BITS = 16,
    parameter PARAM_BITS = 128  // decay, bias, threshold, reset, initial, from the least significant bit
) (
    input  wire                         clk,
    input  wire                         enable,  // 0 only while nothing is in the pipeline
    input  wire signed [STATE_BITS-1:0] state,
    input  wire signed [ACC_BITS-1:0]   acc,
    // A slot is padded to whole words, its top bits carry nothing.
    // verilator lint_off UNUSEDSIGNAL
    input  wire [PARAM_BITS-1:0]        param,
    // verilator lint_on UNUSEDSIGNAL
    input  wire                         first,
    input  wire [3:0]                   shift,
    input  wire                         fire,
    input  wire                         subtract,
    output reg signed [STATE_BITS-1:0]  next,
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
    wire signed [S-1:0] v_in         = first ? initial_in : state;
    wire signed [WIDE-1:0] acc_wide  = {{(WIDE-ACC_BITS){acc[ACC_BITS-1]}}, acc};

    // 1: sign and magnitude of the membrane, input current
    reg [S-1:0] magnitude1;
    reg         negative1;
    reg [D:0]   decay1;
    reg signed [WIDE-1:0] input1;
    // 2: product
    reg [S+D:0] product2;
    reg         negative2;
    reg signed [WIDE-1:0] input2;
    // 3: rounded, signed
    reg signed [WIDE-1:0] decayed3, input3;
    // 4: sum, saturated
    reg signed [S-1:0] v4;
    reg                saturated4;
    // carried along
    reg signed [S-1:0] threshold1, threshold2, threshold3, threshold4;
    reg signed [S-1:0] reset1, reset2, reset3, reset4;

    // verilator lint_off UNUSEDSIGNAL
    wire [S+D:0]           rounded2 = product2 + {{(S+1){1'b0}}, 1'b1, {(D-1){1'b0}}};
    // verilator lint_on UNUSEDSIGNAL
    wire signed [WIDE-1:0] quotient2 = $signed({{(WIDE-S-1){1'b0}}, rounded2[S+D:D]});
    wire signed [WIDE-1:0] sum3 = decayed3 + input3;
    wire signed [WIDE-1:0] wide_v4 = {{(WIDE-S){v4[S-1]}}, v4};
    wire signed [WIDE-1:0] lowered4 = wide_v4 - {{(WIDE-S){reset4[S-1]}}, reset4};
    wire                   spike4 = fire && v4 > threshold4;

    always @(posedge clk) if (enable) begin
        magnitude1 <= v_in[S-1] ? -v_in : v_in;
        negative1  <= v_in[S-1];
        decay1     <= decay_in;
        input1     <= (acc_wide <<< shift) + {{(WIDE-S){bias_in[S-1]}}, bias_in};
        threshold1 <= threshold_in;
        reset1     <= reset_in;

        product2   <= magnitude1 * decay1;
        negative2  <= negative1;
        input2     <= input1;
        threshold2 <= threshold1;
        reset2     <= reset1;

        decayed3   <= negative2 ? -quotient2 : quotient2;
        input3     <= input2;
        threshold3 <= threshold2;
        reset3     <= reset2;

        v4         <= sum3 > TOP ? TOP[S-1:0] : sum3 < BOTTOM ? BOTTOM[S-1:0] : sum3[S-1:0];
        saturated4 <= sum3 > TOP || sum3 < BOTTOM;
        threshold4 <= threshold3;
        reset4     <= reset3;

        spike      <= spike4;
        saturated  <= saturated4 || (spike4 && subtract && (lowered4 > TOP || lowered4 < BOTTOM));
        if (!spike4) next <= v4;
        else if (!subtract) next <= reset4;
        else next <= lowered4 > TOP ? TOP[S-1:0] : lowered4 < BOTTOM ? BOTTOM[S-1:0] : lowered4[S-1:0];
    end
endmodule
