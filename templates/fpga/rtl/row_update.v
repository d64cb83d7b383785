// Rows whose sums are complete: takes them from the lanes into the hold chain, and moves them on, UPDATE
// neurons per cycle, while the next row accumulates. A row of a bit plane that is not the last one is added
// to what the planes before it left, doubled; any other goes through the neurons' update, and its spikes
// or membrane values leave as bus messages. COMPACT: a neuron starts when the one before is through and its message
// is gone; there is no queue of them.
module row_update #(
    parameter LANES       = 32,
    parameter UPDATE      = 2,
    parameter ACC_BITS    = 20,
    parameter STATE_BITS  = 24,
    parameter DECAY_BITS  = 16,
    parameter SHIFT_MAX   = 15,
    parameter NEURONS     = 512,
    parameter PARAMETERS  = 512,
    parameter SYNAPSE     = 0,
    parameter PLANES      = 1,
    parameter COMPACT     = 0,
    parameter AW          = 10,
    parameter GW          = 5,
    parameter CW          = 80,                 // bits of a job's context
    parameter WORDS       = SYNAPSE != 0 ? 8 : 4,
    parameter UW          = $clog2(UPDATE * WORDS),
    parameter PS          = $clog2(PARAMETERS / UPDATE)
) (
    input  wire                       clk,
    input  wire                       run,
    // parameter memory
    input  wire                       we,
    input  wire [PS+UW-1:0]           cfg_addr,
    input  wire [31:0]                cfg_wdata,
    output wire [UPDATE*WORDS*32-1:0] cfg_rdata,
    // contexts of the jobs to come, in their order
    input  wire [CW-1:0]              next_job,
    output wire                       job_taken,
    // rows
    input  wire                       row_valid,   // the lanes hold a finished row
    input  wire [3:0]                 row_marks,   // {more, fresh, last, first}
    output wire                       take,        // it moves into the hold chain in this cycle
    output wire                       stall,       // it cannot yet
    output wire                       shift_chain,
    input  wire [UPDATE*ACC_BITS-1:0] chain,
    // results
    output wire                       out_valid,
    input  wire                       out_ready,
    output wire [GW+AW+34:0]          out_message, // {group, parity, addr, data, first, last}
    output wire                       busy,
    output wire                       working,
    output reg  [3:0]                 saturations
);
    localparam SLOTS  = NEURONS / UPDATE;
    localparam NW     = $clog2(SLOTS);
    localparam LW     = $clog2(LANES + 1);
    // Bits of a neuron's parameters: only so many are memory, the rest of their words reads as zero.
    localparam NEEDED = SYNAPSE != 0 ? 2 * DECAY_BITS + 2 + 5 * STATE_BITS : DECAY_BITS + 1 + 4 * STATE_BITS;
    // From issue to result: memory, then neuron_update.
    localparam STAGES = COMPACT == 0 ? 7 : SYNAPSE != 0 ? 6 : 5;
    localparam SB     = SYNAPSE != 0 ? 2 * STATE_BITS : STATE_BITS;
    wire rst = !run;

    // ---------------------------------------------------------------- the row in the hold chain
    // verilator lint_off UNUSEDSIGNAL
    wire [CW-1:0] job, job_next;                   // fields are wider than some hardware's memories
    reg  [CW-1:0] job_kept;
    wire          starts_job = row_marks[0] && row_marks[2];
    // verilator lint_on UNUSEDSIGNAL
    assign job      = COMPACT != 0 ? next_job : job_kept;
    assign job_next = COMPACT != 0 || starts_job ? next_job : job_kept;
    wire          job_first_step = job[0];
    wire          job_parity     = job[1];
    wire          job_fires      = job[2];
    wire          job_subtract   = job[3];
    wire          job_values     = job[4];
    wire          job_begins     = job_next[5];    // the first one of its group
    wire          job_ends       = job[6];         // the last one of its group
    wire          job_shares     = job_next[7];    // all rows have the same parameters
    wire [3:0]    job_shift      = job[11:8];
    wire          job_synaptic   = SYNAPSE != 0 && job[12];
    wire [GW-1:0] job_group      = job[16 +: GW];
    wire [LW-2:0] job_neurons    = job_next[24 +: LW-1];
    wire [NW-1:0] job_slot       = job_next[32 +: NW];
    wire [PS-1:0] job_parameters = job_next[48 +: PS];
    wire [AW-1:0] job_dest       = job_next[64 +: AW];

    reg  [LW-1:0] neurons_left;
    reg  [NW-1:0] slot_now;
    reg  [PS-1:0] parameter_now;
    reg           more, last_row;
    reg  [STAGES-1:0] issued;                      // one bit per pipeline stage
    wire          holds   = neurons_left != 0;
    wire          room;                            // for the messages of another slot
    wire          moves   = holds && (room || (more && COMPACT == 0));
    wire          issue   = moves && !more;
    wire          sent;                            // all messages of the results so far are on their way
    wire          drained = issued == 0 && sent;
    wire          result  = issued[STAGES-1];

    // The rows of a job follow each other closely; what is kept per job changes when the last one is through.
    assign take          = row_valid && !holds && (!starts_job || drained);
    assign stall         = row_valid && !take;
    assign job_taken = take && starts_job;
    assign shift_chain   = moves;

    always @(posedge clk) begin
        if (rst) begin
            neurons_left <= 0;
            issued       <= 0;
        end else begin
            issued <= {issued[STAGES-2:0], issue};
            if (take) neurons_left <= {1'b0, job_neurons} + 1'b1;
            else if (moves) neurons_left <= neurons_left > UPDATE ? neurons_left - UPDATE : {LW{1'b0}};
        end
        if (take) begin
            more     <= PLANES > 1 && row_marks[3];
            last_row <= row_marks[1];
        end
        if (job_taken) begin
            job_kept      <= next_job;
            slot_now      <= job_slot;
            parameter_now <= job_parameters;
        end else begin
            if (take && job_shares) parameter_now <= job_parameters;
            else if (issue) parameter_now <= parameter_now + 1'b1;
            if (COMPACT != 0 ? result : issue) slot_now <= slot_now + 1'b1;
        end
    end

    // ---------------------------------------------------------------- bit planes
    reg [UPDATE*ACC_BITS-1:0] accs;
    generate
        if (PLANES > 1) begin : planes
            localparam DEPTH = (LANES + UPDATE - 1) / UPDATE;
            localparam DW = DEPTH > 1 ? $clog2(DEPTH) : 1;
            reg [UPDATE*ACC_BITS-1:0] sums [0:DEPTH-1];
            reg [DW-1:0] index, index_before;
            reg          keep, fresh;
            wire [UPDATE*ACC_BITS-1:0] earlier = sums[index];
            wire [UPDATE*ACC_BITS-1:0] total;
            genvar p;
            for (p = 0; p < UPDATE; p = p + 1) begin : sum
                assign total[p*ACC_BITS +: ACC_BITS] = chain[p*ACC_BITS +: ACC_BITS]
                    + (fresh ? {ACC_BITS{1'b0}} : earlier[p*ACC_BITS +: ACC_BITS] << 1);
            end
            always @(posedge clk) begin
                if (COMPACT == 0 || moves) accs <= total;
                keep <= moves && more;
                if (take) fresh <= row_marks[2];
                index_before <= index;
                if (keep) sums[index_before] <= accs;
                index <= take ? {DW{1'b0}} : moves ? index + 1'b1 : index;
            end
        end else begin : no_planes
            always @(posedge clk) if (COMPACT == 0 || moves) accs <= chain;
        end
    endgenerate

    // ---------------------------------------------------------------- neuron pipeline
    wire [UPDATE*SB-1:0]          states, nexts_both;
    wire [UPDATE*STATE_BITS-1:0]  nexts;
    wire [UPDATE*WORDS*32-1:0]    params;
    wire [UPDATE-1:0]             spikes, saturated;

    wire [NW-1:0]                 write_slot;

    assign cfg_rdata = params;

    ram #(.WIDTH(UPDATE * SB), .DEPTH(SLOTS)) state_memory (
        .clk(clk), .we(result), .waddr(write_slot), .wdata(nexts_both),
        .re(issue), .raddr(slot_now), .rdata(states)
    );

    genvar u;
    generate
        for (u = 0; u < UPDATE; u = u + 1) begin : neuron
            neuron_update #(
                .ACC_BITS(ACC_BITS), .STATE_BITS(STATE_BITS), .DECAY_BITS(DECAY_BITS), .PARAM_BITS(WORDS * 32),
                .SHIFT_MAX(SHIFT_MAX), .SYNAPSE(SYNAPSE), .COMPACT(COMPACT), .STATE_WIDTH(SB)
            ) update (
                .clk(clk), .enable(issue || issued != 0), .state(states[u*SB +: SB]),
                .acc(accs[u*ACC_BITS +: ACC_BITS]), .param(params[u*WORDS*32 +: WORDS*32]),
                .first(job_first_step), .shift(job_shift), .fire(job_fires), .subtract(job_subtract),
                .synaptic(job_synaptic), .next(nexts_both[u*SB +: SB]), .spike(spikes[u]), .saturated(saturated[u])
            );
            assign nexts[u*STATE_BITS +: STATE_BITS] = nexts_both[u*SB +: STATE_BITS];
        end
        for (u = 0; u < UPDATE * WORDS; u = u + 1) begin : parameter_word
            localparam LEFT = NEEDED - u % WORDS * 32;
            localparam HERE = LEFT > 32 ? 32 : LEFT;
            if (HERE > 0) begin : present
                ram #(.WIDTH(HERE), .DEPTH(PARAMETERS / UPDATE)) memory (
                    .clk(clk), .we(we && cfg_addr[UW-1:0] == u), .waddr(cfg_addr[UW +: PS]),
                    .wdata(cfg_wdata[HERE-1:0]), .re(issue || !run),
                    .raddr(run ? parameter_now : cfg_addr[UW +: PS]), .rdata(params[u*32 +: HERE])
                );
            end
            if (HERE < 32) begin : absent
                assign params[u*32+31 -: 32 - (HERE > 0 ? HERE : 0)] = 0;
            end
        end
    endgenerate

    // ---------------------------------------------------------------- results leave as bus messages
    localparam PW = UPDATE + 1;                    // {last slot of the job, which neurons of the slot exist}
    wire [PW-1:0]        present, present_now;
    wire [UPDATE-1:0]    exists = present[UPDATE-1:0];
    wire [UPDATE-1:0]    fired = spikes & exists;
    wire                 final_now = present[UPDATE] && job_ends;

    assign present_now[UPDATE] = last_row && neurons_left <= UPDATE;

    generate
        for (u = 0; u < UPDATE; u = u + 1) begin : presence
            assign present_now[u] = neurons_left > u;
        end
    endgenerate

    always @(posedge clk) saturations <= result ? count(saturated & exists) : 4'd0;

    generate
        if (COMPACT != 0) begin : one_message      // one neuron at a time, too
            reg [PW-1:0] present_then;
            reg [31:0]   data;                     // spikes come in at the top
            reg [4:0]    fill;
            reg [AW-1:0] dest;
            reg          aligning, whole, closes;
            assign present     = present_then;
            assign write_slot  = slot_now;
            assign sent        = !aligning && !whole;
            assign room        = drained;
            assign out_valid   = whole;
            assign out_message = {job_group, job_parity, dest, data, job_first_step, closes};
            always @(posedge clk) begin
                if (issue) present_then <= present_now;
                if (result) begin
                    data  <= job_values ? {{(32-STATE_BITS){nexts[STATE_BITS-1]}}, nexts} : {fired, data[31:1]};
                    closes <= final_now;
                end else if (aligning) data <= {1'b0, data[31:1]};
                if (job_taken && job_begins) fill <= 5'd0;
                else if (aligning || (result && !job_values)) fill <= fill + 1'b1;
                if (job_taken && job_begins) dest <= job_dest;
                else if (out_valid && out_ready) dest <= dest + 1'b1;
                if (rst) begin
                    aligning <= 1'b0;
                    whole    <= 1'b0;
                end else begin
                    aligning <= fill != 5'd31 && (aligning || (result && final_now && !job_values));
                    if (result) whole <= job_values || fill == 5'd31;
                    else if (aligning) whole <= fill == 5'd31;
                    else if (out_ready) whole <= 1'b0;
                end
            end
            assign busy    = holds || !drained;
            assign working = moves || issued != 0 || aligning;
        end else begin : messages
            reg  [PW*STAGES-1:0] present_line;
            reg  [NW-1:0]        slot_then;
            reg  [31:0]          pack;
            reg  [5:0]           fill;
            reg  [AW-1:0]        dest;
            reg  [2:0]           pace;             // membrane values leave one by one: until the next slot
            reg  [UPDATE-1:0]    values_left;      // read-out values of the last result still to be sent
            reg  [UPDATE*STATE_BITS-1:0] values;
            reg                  values_final;
            reg                  push, push_final;
            reg  [31:0]          push_data;
            wire [4:0]           queued;
            wire [31:0]          packed_now = pack | ({{(32-UPDATE){1'b0}}, fired} << fill);
            wire                 word_full = fill == 6'd32 - UPDATE[5:0];

            assign present    = present_line[PW*(STAGES-1) +: PW];
            assign write_slot = slot_then;
            assign sent       = values_left == 0 && !push;
            assign room       = queued <= 5'd4 && (!job_values || pace == 0);

            always @(posedge clk) begin
                present_line <= {present_line[0 +: PW*(STAGES-1)], present_now};
                pace <= rst ? 3'd0 : issue ? UPDATE[2:0] - 1'b1 : pace != 0 ? pace - 1'b1 : pace;
                if (job_taken) slot_then <= job_slot;
                else if (result) slot_then <= slot_then + 1'b1;

                push <= 1'b0;
                if (rst) begin
                    values_left <= 0;
                end else if (result && job_values) begin
                    push         <= 1'b1;
                    push_data    <= {{(32-STATE_BITS){nexts[STATE_BITS-1]}}, nexts[STATE_BITS-1:0]};
                    push_final   <= final_now && exists == 1;
                    values       <= nexts >> STATE_BITS;
                    values_left  <= exists >> 1;
                    values_final <= final_now;
                end else if (result) begin
                    push       <= word_full || final_now;
                    push_data  <= packed_now;
                    push_final <= final_now;
                    pack       <= word_full || final_now ? 32'd0 : packed_now;
                    fill       <= word_full || final_now ? 6'd0 : fill + UPDATE[5:0];
                end else if (values_left != 0) begin
                    push        <= 1'b1;
                    push_data   <= {{(32-STATE_BITS){values[STATE_BITS-1]}}, values[STATE_BITS-1:0]};
                    push_final  <= values_final && values_left == 1;
                    values      <= values >> STATE_BITS;
                    values_left <= values_left >> 1;
                end
                if (job_taken && job_begins) begin
                    pack <= 32'd0;
                    fill <= 6'd0;
                    dest <= job_dest;
                end else if (push) begin
                    dest <= dest + 1'b1;
                end
            end

            fifo #(.WIDTH(GW + AW + 35), .DEPTH(16)) out_queue (
                .clk(clk), .rst(rst), .push(push),
                .din({job_group, job_parity, dest, push_data, job_first_step, push_final}),
                .valid(out_valid), .ready(out_ready), .dout(out_message), .level(queued)
            );

            assign busy    = holds || !drained || out_valid;
            assign working = moves || issued != 0 || push;
        end
    endgenerate

    function [3:0] count(input [UPDATE-1:0] bits);
        integer i;
        begin
            count = 0;
            for (i = 0; i < UPDATE; i = i + 1) count = count + {3'b0, bits[i]};
        end
    endfunction
endmodule
