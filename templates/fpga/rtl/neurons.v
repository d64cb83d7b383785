// The neurons of a core: the memories of their states and parameters, and UPDATE neurons' arithmetic. A slot of both
// memories holds UPDATE neurons.
module neurons #(
    parameter UPDATE     = 2,
    parameter ACC_BITS   = 20,
    parameter STATE_BITS = 24,
    parameter DECAY_BITS = 16,
    parameter SHIFT_MAX  = 15,
    parameter NEURONS    = 512,
    parameter PARAMETERS = 512,
    parameter SYNAPSE    = 0,
    parameter DIALECTS   = 0,
    parameter SPIKES     = 1,
    parameter CW         = 104,
    parameter WORDS      = SYNAPSE != 0 || DIALECTS != 0 ? 8 : 4, // 32-bit words of its parameters
    parameter UW         = $clog2(UPDATE * WORDS),
    parameter PS         = $clog2(PARAMETERS / UPDATE),
    parameter NW         = $clog2(NEURONS / UPDATE)
) (
    input  wire                         clk,
    input  wire                         run,
    // parameter memory
    input  wire                         we,
    input  wire [PS+UW-1:0]             cfg_addr,
    input  wire [31:0]                  cfg_wdata,
    output wire [UPDATE*WORDS*32-1:0]   cfg_rdata,
    // a slot goes in
    // verilator lint_off UNUSEDSIGNAL
    input  wire [CW-1:0]                job,     // not all of it is for here
    // verilator lint_on UNUSEDSIGNAL
    input  wire                         issue,
    input  wire [NW-1:0]                slot,
    input  wire [PS-1:0]                parameter_slot,
    input  wire [UPDATE*ACC_BITS-1:0]   sums,    // one cycle later
    input  wire                         enable,  // 0 only while nothing is in the pipeline
    input  wire                         plain,   // nothing of a dialect is asked for
    // and comes out
    input  wire                         result,  // in this cycle
    input  wire [NW-1:0]                result_slot,
    input  wire [UPDATE-1:0]            exists,
    output wire [UPDATE*SPIKES-1:0]     fired,   // of each plane, the lowest first
    output wire [UPDATE*STATE_BITS-1:0] values,  // membranes
    output reg  [4:0]                   saturations
);
    localparam SB     = SYNAPSE != 0 ? 2 * STATE_BITS : STATE_BITS;
    // Bits of a neuron's parameters: only so many are memory, the rest of their words reads as zero.
    localparam PLAIN  = SYNAPSE != 0 ? 2 * DECAY_BITS + 2 + 5 * STATE_BITS : DECAY_BITS + 1 + 4 * STATE_BITS;
    localparam NEEDED = PLAIN + (DIALECTS == 0 ? 0 : SYNAPSE != 0 ? 2 * STATE_BITS : STATE_BITS);

    // What the neurons do: told a cycle before the first of them needs it, as it goes to many.
    wire          first_step, fires, subtracts, synapses, plainly;
    wire [3:0]    shift, dialects;
    wire [4:0]    most;
    wire          synaptic   = SYNAPSE != 0 && synapses;
    wire [3:0]    dialect    = DIALECTS != 0 ? dialects : 4'd0;

    stage #(.WIDTH(18)) told (
        .clk(clk), .enable(1'b1), .in({plain, job[84:80], job[21], job[15:8], job[3:2], job[0]}),
        .out({plainly, most, dialects, synapses, shift, subtracts, fires, first_step})
    );

    wire [UPDATE*SB-1:0]          states, nexts;
    wire [UPDATE*WORDS*32-1:0]    params;
    wire [UPDATE-1:0]             saturated;

    assign cfg_rdata = params;

    ram #(.WIDTH(UPDATE * SB), .DEPTH(NEURONS / UPDATE)) state_memory (
        .clk(clk), .we(result), .waddr(result_slot), .wdata(nexts), .re(issue), .raddr(slot), .rdata(states)
    );

    genvar u, p;
    generate
        for (u = 0; u < UPDATE; u = u + 1) begin : neuron
            wire [SPIKES-1:0] spikes;
            for (p = 0; p < SPIKES; p = p + 1) begin : plane
                assign fired[p*UPDATE + u] = spikes[p] && exists[u];
            end
            neuron_update #(
                .ACC_BITS(ACC_BITS), .STATE_BITS(STATE_BITS), .DECAY_BITS(DECAY_BITS), .PARAM_BITS(WORDS * 32),
                .SHIFT_MAX(SHIFT_MAX), .SYNAPSE(SYNAPSE), .DIALECTS(DIALECTS), .SPIKES(SPIKES),
                .STATE_WIDTH(SB)
            ) update (
                .clk(clk), .enable(enable), .state(states[u*SB +: SB]),
                .acc(sums[u*ACC_BITS +: ACC_BITS]), .param(params[u*WORDS*32 +: WORDS*32]),
                .first(first_step), .shift(shift), .fire(fires), .subtract(subtracts), .synaptic(synaptic),
                .dialect(dialect), .most(most), .plain(plainly),
                .next(nexts[u*SB +: SB]), .spikes(spikes), .saturated(saturated[u])
            );
            assign values[u*STATE_BITS +: STATE_BITS] = nexts[u*SB +: STATE_BITS];
        end
        for (u = 0; u < UPDATE * WORDS; u = u + 1) begin : parameter_word
            localparam LEFT = NEEDED - u % WORDS * 32;
            localparam HERE = LEFT > 32 ? 32 : LEFT;
            if (HERE > 0) begin : present
                ram #(.WIDTH(HERE), .DEPTH(PARAMETERS / UPDATE)) memory (
                    .clk(clk), .we(we && cfg_addr[UW-1:0] == u), .waddr(cfg_addr[UW +: PS]),
                    .wdata(cfg_wdata[HERE-1:0]), .re(issue || !run),
                    .raddr(run ? parameter_slot : cfg_addr[UW +: PS]), .rdata(params[u*32 +: HERE])
                );
            end
            if (HERE < 32) begin : absent
                assign params[u*32+31 -: 32 - (HERE > 0 ? HERE : 0)] = 0;
            end
        end
    endgenerate

    always @(posedge clk) saturations <= result ? count(saturated & exists) : 5'd0;

    function [4:0] count(input [UPDATE-1:0] bits);
        integer i;
        begin
            count = 0;
            for (i = 0; i < UPDATE; i = i + 1) count = count + {4'b0, bits[i]};
        end
    endfunction
endmodule
