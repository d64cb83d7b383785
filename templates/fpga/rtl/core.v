// The gather core: for each row of LANES neurons it walks the set bits of the source bitmaps, adds one
// weight row per cycle into the lanes' accumulators, and updates the finished row, UPDATE neurons per
// cycle, while the next row accumulates. It works through its job list once per step, as a dataflow
// node: a job starts when its source groups are complete for the step, or, where it reads the step before
// (a recurrent connection), for that one; the first step of a sample has none before it.
//
// A job is eight words (see nirdeploy/backends/fpga.py, which writes them):
//   0 wait: groups that must be complete        1 release: groups not read again in this step
//   2 [15:0] first bitmap word, [31:16] words   3 first weight row
//   4 flags: 0 ends the row, 1 fires, 2 subtractive reset, 3 emits membrane values, 4 first row of its
//     group, 5 last row of its group, 6 last job of the list, 7 reads the step before (such jobs come last
//     in their row); [11:8] shift; 12 the neurons have a synaptic current; [20:16] group
//   5 neurons in the row                        6 bitmap or value word of the group's start
//   7 first slot of the row (a slot: UPDATE neurons)
module core #(
    parameter LANES       = 32,
    parameter UPDATE      = 2,
    parameter WEIGHT_BITS = 8,
    parameter ACC_BITS    = 20,
    parameter STATE_BITS  = 24,
    parameter DECAY_BITS  = 16,
    parameter WEIGHT_ROWS = 2048,
    parameter NEURONS     = 512,
    parameter SYNAPSE     = 0,   // 1: neurons may have a synaptic current
    parameter JOBS        = 64,
    parameter GROUPS      = 32,
    parameter SPIKE_WORDS = 256,
    parameter AW          = 10,  // bits of a bus address
    parameter GW          = 5    // bits of a group number
) (
    input  wire                clk,
    input  wire                run,        // 0: at rest, memories belong to the configuration port
    // configuration
    input  wire                cfg_we,
    input  wire [1:0]          cfg_kind,   // 0 control, 1 jobs, 2 weights, 3 neuron parameters
    input  wire [19:0]         cfg_addr,
    input  wire [31:0]         cfg_wdata,
    output reg                 cfg_in_range,
    output reg  [31:0]         cfg_rdata,  // three cycles after cfg_addr
    // spikes in
    input  wire                bus_valid,
    input  wire [GW-1:0]       bus_group,
    input  wire                bus_parity,
    // verilator lint_off UNUSEDSIGNAL
    input  wire [AW-1:0]       bus_addr,   // a core hears bitmaps only; values lie above them
    // verilator lint_on UNUSEDSIGNAL
    input  wire [31:0]         bus_data,
    input  wire                bus_first,
    input  wire                bus_last,
    output wire [2*GROUPS-1:0] occupied,   // [parity * GROUPS + group]
    // spikes out
    output wire                out_valid,
    input  wire                out_ready,
    output wire [GW+AW+34:0]   out_message, // {group, parity, addr, data, first, last}
    // status
    output wire                busy,       // something is under way, if only waiting
    output wire                working,    // and moves in this cycle
    output reg  [3:0]          saturations  // in this cycle
);
    localparam BANKS    = LANES * WEIGHT_BITS / 32;
    localparam BW       = BANKS > 1 ? $clog2(BANKS) : 1;
    localparam RW       = $clog2(WEIGHT_ROWS);
    localparam JW       = $clog2(JOBS);
    localparam SW       = $clog2(SPIKE_WORDS);
    localparam SLOTS    = NEURONS / UPDATE;
    localparam NW       = $clog2(SLOTS);
    localparam LW       = $clog2(LANES + 1);
    localparam WORDS    = SYNAPSE != 0 ? 8 : 4;  // 32-bit words per neuron of the parameter memory
    localparam USED     = SYNAPSE != 0 ? 5 : 4;  // of them there
    localparam UW       = $clog2(UPDATE * WORDS);
    localparam STAGES   = 7;  // from issue to result: memory, then neuron_update

    wire rst = !run;

    // ---------------------------------------------------------------- configuration
    reg [GROUPS-1:0] listen;
    reg [31:0] listen_word;
    reg [JW:0] jobs;
    wire we_control = cfg_we && cfg_kind == 2'd0;
    wire we_jobs    = cfg_we && cfg_kind == 2'd1;
    wire we_weights = cfg_we && cfg_kind == 2'd2;
    wire we_params  = cfg_we && cfg_kind == 2'd3;

    always @(posedge clk) begin
        if (we_control && cfg_addr[0] == 1'b0) listen <= cfg_wdata[GROUPS-1:0];
        if (we_control && cfg_addr[0] == 1'b1) jobs <= cfg_wdata[JW:0];
    end

    always @* begin
        listen_word = 32'd0;
        listen_word[GROUPS-1:0] = listen;
    end

    always @* begin
        case (cfg_kind)
            2'd0: cfg_in_range = cfg_addr < 2;
            2'd1: cfg_in_range = cfg_addr < JOBS * 8;
            2'd2: cfg_in_range = cfg_addr < WEIGHT_ROWS * BANKS;
            default: cfg_in_range = cfg_addr < SLOTS * UPDATE * WORDS;
        endcase
    end

    // ---------------------------------------------------------------- occupancy of the source groups
    reg  [2*GROUPS-1:0] full, first_step;
    reg                 parity;
    wire                fetched;
    reg  [GROUPS-1:0]   release_mask;
    reg                 walk_parity;
    reg                 walk_mute;   // the step before belongs to another sample
    reg                 virgin;      // there has been no step yet
    reg                 first_kept;  // what the row's jobs so far know of the step
    wire                listening = listen[bus_group];
    wire [GROUPS-1:0]   now_full  = parity ? full[GROUPS +: GROUPS] : full[0 +: GROUPS];
    wire [GROUPS-1:0]   before_full = parity ? full[0 +: GROUPS] : full[GROUPS +: GROUPS];
    wire [GROUPS-1:0]   now_first = parity ? first_step[GROUPS +: GROUPS] : first_step[0 +: GROUPS];

    assign occupied = full;

    wire                 arrives  = bus_valid && bus_last && listening;
    wire [2*GROUPS-1:0]  arriving = {{(2*GROUPS-1){1'b0}}, arrives} << {bus_parity, bus_group};
    wire [2*GROUPS-1:0]  leaving  = !fetched ? {2*GROUPS{1'b0}}
                                  : walk_parity ? {release_mask, {GROUPS{1'b0}}} : {{GROUPS{1'b0}}, release_mask};

    always @(posedge clk) begin
        if (rst) full <= 0;
        else if (arrives || fetched) full <= (full & ~leaving) | arriving;
        if (arrives) first_step[{bus_parity, bus_group}] <= bus_first;
    end

    // ---------------------------------------------------------------- next job
    reg  [JW-1:0] job;
    reg  [3:0]    fetch;      // words asked for
    reg           got_valid;
    reg  [2:0]    got;        // word arriving
    reg           ready;      // the whole job is here
    reg  [GROUPS-1:0] next_wait, next_release;
    reg  [SW-1:0] next_word;
    reg  [SW:0]   next_words;
    reg  [RW-1:0] next_row;
    reg  [7:0]    next_flags;
    reg  [3:0]    next_shift;
    reg           next_synaptic;
    reg  [GW-1:0] next_group;
    reg  [LW-1:0] next_neurons;
    reg  [AW-1:0] next_dest;
    reg  [NW-1:0] next_slot;
    wire [31:0]   job_word;
    wire          start;
    wire          fetch_job = run && jobs != 0 && !fetch[3] && !ready;

    ram #(.WIDTH(32), .DEPTH(JOBS * 8)) job_memory (
        .clk(clk), .we(we_jobs), .waddr(cfg_addr[JW+2:0]), .wdata(cfg_wdata),
        .re(fetch_job || !run), .raddr(run ? {job, fetch[2:0]} : cfg_addr[JW+2:0]), .rdata(job_word)
    );

    always @(posedge clk) begin
        if (rst) begin
            job       <= 0;
            fetch     <= 0;
            got_valid <= 1'b0;
            ready     <= 1'b0;
            parity    <= 1'b0;
            virgin    <= 1'b1;
        end else begin
            if (fetch_job) fetch <= fetch + 1'b1;
            got_valid <= fetch_job;
            got       <= fetch[2:0];
            if (got_valid && got == 3'd7) ready <= 1'b1;
            if (start) begin
                ready  <= 1'b0;
                fetch  <= 0;
                job    <= next_flags[6] ? {JW{1'b0}} : job + 1'b1;
                parity <= parity ^ next_flags[6];
                virgin <= virgin && !next_flags[6];
            end
        end
        if (got_valid) begin
            case (got)
                3'd0: next_wait    <= job_word[GROUPS-1:0];
                3'd1: next_release <= job_word[GROUPS-1:0];
                3'd2: begin
                    next_word  <= job_word[SW-1:0];
                    next_words <= job_word[16 +: SW+1];
                end
                3'd3: next_row     <= job_word[RW-1:0];
                3'd4: begin
                    next_flags <= job_word[7:0];
                    next_shift <= job_word[11:8];
                    next_synaptic <= job_word[12];
                    next_group <= job_word[16 +: GW];
                end
                3'd5: next_neurons <= job_word[LW-1:0];
                3'd6: next_dest    <= job_word[AW-1:0];
                default: next_slot <= job_word[NW-1:0];
            endcase
        end
    end

    // ---------------------------------------------------------------- walk
    // What the update needs of a row: first all that it works by, then where it starts
    localparam HW = 1 + GW + 4 + 4 + 2;    // {synaptic, group, shift, last row, values, subtract, fire, first step, parity}
    localparam IW = LW + 1 + AW + NW + HW; // {neurons, first row, destination, slot, the above}
    wire        walk_idle, ending, token, finish, word_read;
    wire [SW:0] word_addr;
    wire [31:0] word;
    wire [RW-1:0] token_row;
    wire        stall;
    reg  [IW-1:0] row_walking, row_ending, row_taken;
    wire        previous   = next_flags[7];
    wire        first_here = previous ? first_kept : |(now_first & next_wait);
    wire        complete   = previous ? virgin || (before_full & next_wait) == next_wait
                                      : (now_full & next_wait) == next_wait;
    wire [IW-1:0] row_next = {next_neurons, next_flags[4], next_dest, next_slot,
                              next_synaptic, next_group, next_shift, next_flags[5], next_flags[3:1],
                              first_here, parity};

    assign start = ready && walk_idle && complete;

    ram #(.WIDTH(32), .DEPTH(2 * SPIKE_WORDS)) bitmaps (
        .clk(clk), .we(bus_valid && listening), .waddr({bus_parity, bus_addr[SW-1:0]}), .wdata(bus_data),
        .re(word_read), .raddr(word_addr), .rdata(word)
    );

    walk #(.SW(SW + 1), .CW(SW + 1), .RW(RW)) walker (
        .clk(clk), .rst(rst), .enable(!stall),
        .start(start), .first_word({parity ^ previous, next_word}), .words(next_words), .base(next_row),
        .ends_row(next_flags[0]), .idle(walk_idle), .fetched(fetched), .ending(ending),
        .read(word_read), .raddr(word_addr), .rdata(walk_mute ? 32'd0 : word),
        .token(token), .token_row(token_row), .finish(finish)
    );

    always @(posedge clk) begin
        if (start) begin
            release_mask <= next_release;
            walk_parity  <= parity ^ previous;
            walk_mute    <= previous && first_here;
            first_kept   <= first_here;
            row_walking  <= row_next;
        end
        if (ending) row_ending <= row_walking;
        if (finish && !stall) row_taken <= row_ending;
    end

    // ---------------------------------------------------------------- weights and accumulators
    reg  read1, add2, finish1, take2;
    wire take;
    wire [(BANKS+1)*UPDATE*ACC_BITS-1:0] chain;
    wire [BANKS*32-1:0] weights;
    wire [RW-1:0] weight_row = run ? token_row : cfg_addr[BW +: RW];

    assign chain[BANKS*UPDATE*ACC_BITS +: UPDATE*ACC_BITS] = {UPDATE*ACC_BITS{1'b0}};

    always @(posedge clk) begin
        if (rst) begin
            read1   <= 1'b0;
            add2    <= 1'b0;
            finish1 <= 1'b0;
            take2   <= 1'b0;
        end else if (!stall) begin
            read1   <= token;
            add2    <= read1;
            finish1 <= finish;
            take2   <= finish1;
        end
    end

    genvar b;
    generate
        for (b = 0; b < BANKS; b = b + 1) begin : bank
            wire mine = BANKS == 1 || cfg_addr[BW-1:0] == b;
            lane_bank #(.WEIGHT_BITS(WEIGHT_BITS), .ACC_BITS(ACC_BITS), .ROWS(WEIGHT_ROWS), .UPDATE(UPDATE))
            lanes (
                .clk(clk), .we(we_weights && mine), .waddr(cfg_addr[(BANKS == 1 ? 0 : BW) +: RW]),
                .wdata(cfg_wdata), .weights(weights[b*32 +: 32]),
                .enable(!stall), .read(token || !run), .raddr(weight_row),
                .acc_enable(rst || take || (add2 && !stall)), .acc_clear(rst || take),
                .hold_enable(take || issue), .hold_take(take),
                .chain_in(chain[(b+1)*UPDATE*ACC_BITS +: UPDATE*ACC_BITS]),
                .chain_out(chain[b*UPDATE*ACC_BITS +: UPDATE*ACC_BITS])
            );
        end
    endgenerate

    // ---------------------------------------------------------------- update of a finished row
    reg           row_busy;
    reg  [NW-1:0] slot_now;
    reg  [LW-1:0] neurons_left;
    reg  [2:0]    pace;          // membrane values leave one by one: cycles until the next slot may issue
    reg  [HW-1:0] row;
    wire          row_parity   = row[0];
    wire          row_first    = row[1];
    wire          row_fires    = row[2];
    wire          row_subtract = row[3];
    wire          row_values   = row[4];
    wire          row_last     = row[5];
    wire [3:0]    row_shift    = row[9:6];
    wire [GW-1:0] row_group    = row[10 +: GW];
    wire          row_synaptic = SYNAPSE != 0 && row[10+GW];
    wire [NW-1:0] taken_slot    = row_taken[HW +: NW];
    wire [AW-1:0] taken_dest    = row_taken[HW+NW +: AW];
    wire          taken_first   = row_taken[HW+NW+AW];
    wire [LW-1:0] taken_neurons = row_taken[IW-1 -: LW];
    reg  [STAGES-1:0] issued;    // one bit per pipeline stage
    wire [4:0]    queued;
    reg  [UPDATE-1:0] values_left; // read-out values of the last result still to be sent
    wire          room = queued <= 5'd5;
    wire          issue = row_busy && neurons_left != 0 && room && (!row_values || pace == 0);
    wire          moving = issue || issued != 0;
    wire          drained = row_busy && neurons_left == 0 && issued == 0 && values_left == 0;

    assign take  = take2 && !row_busy;
    assign stall = take2 && row_busy;

    always @(posedge clk) begin
        if (rst) begin
            row_busy     <= 1'b0;
            neurons_left <= 0;
            issued       <= 0;
            pace         <= 0;
        end else begin
            issued <= {issued[STAGES-2:0], issue};
            pace   <= issue ? UPDATE[2:0] : pace != 0 ? pace - 1'b1 : pace;
            if (take) begin
                row_busy     <= 1'b1;
                row          <= row_taken[HW-1:0];
                slot_now     <= taken_slot;
                neurons_left <= taken_neurons;
            end else if (issue) begin
                slot_now     <= slot_now + 1'b1;
                neurons_left <= neurons_left > UPDATE ? neurons_left - UPDATE : {LW{1'b0}};
            end else if (drained) begin
                row_busy <= 1'b0;
            end
        end
    end

    // ---------------------------------------------------------------- neuron pipeline
    localparam SB = SYNAPSE != 0 ? 2 * STATE_BITS : STATE_BITS;  // {synaptic current, membrane}
    wire [UPDATE*SB-1:0]          states, nexts_both;
    wire [UPDATE*STATE_BITS-1:0]  nexts;
    wire [UPDATE*WORDS*32-1:0]    params;
    wire [UPDATE-1:0]             spikes, saturated;
    reg  [UPDATE*ACC_BITS-1:0]    accs;
    reg  [NW-1:0]                 write_slot;
    wire                          result = issued[STAGES-1];

    ram #(.WIDTH(UPDATE * SB), .DEPTH(SLOTS)) state_memory (
        .clk(clk), .we(result), .waddr(write_slot), .wdata(nexts_both),
        .re(issue), .raddr(slot_now), .rdata(states)
    );

    genvar u;
    generate
        for (u = 0; u < UPDATE; u = u + 1) begin : neuron
            neuron_update #(
                .ACC_BITS(ACC_BITS), .STATE_BITS(STATE_BITS), .DECAY_BITS(DECAY_BITS), .PARAM_BITS(WORDS * 32),
                .SYNAPSE(SYNAPSE), .STATE_WIDTH(SB)
            ) update (
                .clk(clk), .enable(moving), .state(states[u*SB +: SB]), .acc(accs[u*ACC_BITS +: ACC_BITS]),
                .param(params[u*WORDS*32 +: WORDS*32]), .first(row_first), .shift(row_shift),
                .fire(row_fires), .subtract(row_subtract), .synaptic(row_synaptic),
                .next(nexts_both[u*SB +: SB]), .spike(spikes[u]), .saturated(saturated[u])
            );
            assign nexts[u*STATE_BITS +: STATE_BITS] = nexts_both[u*SB +: STATE_BITS];
        end
        for (u = 0; u < UPDATE * WORDS; u = u + 1) if (u % WORDS < USED) begin : parameter_word
            ram #(.WIDTH(32), .DEPTH(SLOTS)) memory (
                .clk(clk), .we(we_params && cfg_addr[UW-1:0] == u), .waddr(cfg_addr[UW +: NW]),
                .wdata(cfg_wdata), .re(issue || !run), .raddr(run ? slot_now : cfg_addr[UW +: NW]),
                .rdata(params[u*32 +: 32])
            );
        end else begin : no_word
            assign params[u*32 +: 32] = 32'd0;
        end
    endgenerate

    // ---------------------------------------------------------------- results leave as bus messages
    localparam PW = UPDATE + 1;               // {last of the row, which neurons of the slot exist}
    localparam MW = GW + AW + 35;
    reg  [PW*STAGES-1:0] present;
    wire [PW-1:0]        present_now;
    wire [UPDATE-1:0]    exists = present[PW*(STAGES-1) +: UPDATE];
    wire                 row_done = present[PW*STAGES-1];
    wire [UPDATE-1:0]    fired = spikes & exists;
    reg  [31:0]          pack;
    reg  [5:0]           fill;
    reg  [AW-1:0]        dest;
    reg  [UPDATE*STATE_BITS-1:0] values;
    reg                  values_final;
    reg                  push;
    reg  [31:0]          push_data;
    reg                  push_final;
    wire [31:0]          packed_now = pack | ({{(32-UPDATE){1'b0}}, fired} << fill);
    wire                 word_full = fill == 6'd32 - UPDATE[5:0];
    wire                 final_now = row_done && row_last;

    assign present_now[UPDATE] = neurons_left <= UPDATE;

    generate
        for (u = 0; u < UPDATE; u = u + 1) begin : presence
            assign present_now[u] = neurons_left > u;
        end
    endgenerate

    always @(posedge clk) begin
        accs    <= chain[0 +: UPDATE*ACC_BITS];
        present <= {present[0 +: PW*(STAGES-1)], present_now};
        if (take) write_slot <= taken_slot;
        else if (result) write_slot <= write_slot + 1'b1;
        saturations <= result ? count(saturated & exists) : 4'd0;

        push <= 1'b0;
        if (rst) begin
            values_left <= 0;
        end else if (result && row_values) begin
            values       <= nexts;
            values_left  <= exists;
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
        if (take && taken_first) begin
            pack <= 32'd0;
            fill <= 6'd0;
            dest <= taken_dest;
        end else if (push) begin
            dest <= dest + 1'b1;
        end
    end

    fifo #(.WIDTH(MW), .DEPTH(16)) out_queue (
        .clk(clk), .rst(rst), .push(push),
        .din({row_group, row_parity, dest, push_data, row_first, push_final}),
        .valid(out_valid), .ready(out_ready), .dout(out_message), .level(queued)
    );

    wire walking = !walk_idle || token || finish || read1 || add2 || finish1 || take2;
    assign busy    = walking || row_busy || push || out_valid;
    assign working = (walking && !stall) || moving || push;

    // ---------------------------------------------------------------- configuration read-back
    reg [1:0]    kind1, kind2;
    reg [BW-1:0] bank1, bank2;
    reg [UW-1:0] word1;
    reg          control1;
    reg [31:0]   other2;
    always @(posedge clk) begin
        kind1    <= cfg_kind;
        kind2    <= kind1;
        bank1    <= BANKS > 1 ? cfg_addr[BW-1:0] : {BW{1'b0}};
        bank2    <= bank1;
        word1    <= cfg_addr[UW-1:0];
        control1 <= cfg_addr[0];
        case (kind1)
            2'd0: other2 <= control1 ? {{(31-JW){1'b0}}, jobs} : listen_word;
            2'd1: other2 <= job_word;
            default: other2 <= params[word1*32 +: 32];
        endcase
        cfg_rdata <= kind2 == 2'd2 ? weights[bank2*32 +: 32] : other2;
    end

    function [3:0] count(input [UPDATE-1:0] bits);
        integer i;
        begin
            count = 0;
            for (i = 0; i < UPDATE; i = i + 1) count = count + {3'b0, bits[i]};
        end
    endfunction
endmodule
