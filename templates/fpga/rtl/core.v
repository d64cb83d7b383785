// The gather core: for each row of neurons it walks the set bits of the source bitmaps, adds one weight row
// per cycle into the lanes' accumulators, and updates the finished row, UPDATE neurons per cycle, while the
// next row accumulates. It works through its job list once per step, as a dataflow node: a job starts when
// its source groups are complete for the step and, where it reads the step before too (a recurrent
// connection), for that one; the first step of a sample has none before it.
//
// From top to bottom: `job_fetch` reads the job list, `jobs_under_way` keeps what a begun job still needs, `segments`
// finds the bitmap words that its rows read, `walk` their bits, the `lane_bank`s sum the weight rows of these, and
// `row_update` takes finished rows through their neurons.
//
// The modules of the folders pipelined and compact are the same ones in two forms, of which the hardware has one; their
// interface is told here, where the core uses them. The pipelined form is fast. The compact one takes few logic cells:
// one job and one neuron at a time, no queue of bitmap words, and no register (`stage`) that only makes a path shorter.
module core #(
    parameter LANES       = 32,
    parameter UPDATE      = 2,
    parameter WEIGHT_BITS = 8,
    parameter ACC_BITS    = 20,
    parameter STATE_BITS  = 24,
    parameter DECAY_BITS  = 16,
    parameter SHIFT_MAX   = 15,
    parameter WEIGHT_ROWS = 2048,
    parameter PACKED      = 1,   // rows of few bits that may stand together in the place of one: 2, or 4
    parameter NEURONS     = 512,
    parameter PARAMETERS  = 512, // neurons that have parameters of their own
    parameter SYNAPSE     = 0,   // 1: neurons may have a synaptic current
    parameter DIALECTS    = 0,   // 1: neurons may do what dialects beyond NIR's have
    parameter SPIKES      = 1,   // bits of the number of spikes of a neuron in a step
    parameter SPATIAL     = 1,   // 1: rows may stand in a grid (convolutions, pooling)
    parameter PLANES      = 1,   // more: sources may be numbers, in bit planes
    parameter MAXIMA      = 0,   // 1: rows may sum up maxima over windows
    parameter COMPACT     = 0,   // 1: the modules of the folder compact
    parameter JOBS        = 64,
    parameter LISTS       = 1,   // 2: jobs may stand in two lists, the first of which may be ahead
    parameter SEGMENTS    = 256,
    parameter QUEUE       = 16,  // bitmap words fetched ahead of the walk, at most
    parameter SPOTS       = 0,   // 1: words without spikes are not fetched
    parameter GROUPS      = 32,
    parameter SPIKE_WORDS = 256,
    parameter AW          = 10,  // bits of a bus address
    parameter GW          = 5    // bits of a group number
) (
    input  wire                clk,
    input  wire                run,        // 0: at rest, memories belong to the configuration port
    // configuration
    input  wire                cfg_we,
    input  wire [2:0]          cfg_kind,   // 0 control, 1 jobs, 2 weights, 3 neuron parameters, 4 segments
    input  wire [19:0]         cfg_addr,
    input  wire [31:0]         cfg_wdata,
    output reg                 cfg_in_range,
    output wire [31:0]         cfg_rdata,  // three cycles after cfg_addr, compact: one
    // spikes in
    input  wire                bus_valid,
    input  wire [GROUPS-1:0]   bus_onehot, // of its group
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
    output wire [4:0]          saturations  // in this cycle
);
    localparam BANKS    = LANES * WEIGHT_BITS / 32;
    localparam BW       = BANKS > 1 ? $clog2(BANKS) : 1;
    localparam RW       = $clog2(WEIGHT_ROWS);
    localparam NW       = PACKED == 1 ? RW : PACKED == 2 ? RW + 2 : RW + 3; // bits of a weight row's number
    localparam JW       = $clog2(JOBS);
    localparam SW       = $clog2(SPIKE_WORDS);
    localparam EW       = $clog2(SEGMENTS);
    localparam FIELDS   = SPATIAL != 0 ? 4 : 2;  // 32-bit words of a segment
    localparam FW       = SPATIAL != 0 ? 2 : 1;
    localparam WORDS    = SYNAPSE != 0 || DIALECTS != 0 ? 8 : 4;  // 32-bit words per neuron of the parameter memory
    localparam UW       = $clog2(UPDATE * WORDS);
    localparam PS       = $clog2(PARAMETERS / UPDATE);
    localparam CW       = 104;                   // bits of a job's context
    localparam MK       = MAXIMA != 0 ? 6 : 4;   // marks of a pass

    wire rst = !run;

    // ---------------------------------------------------------------- configuration
    reg [GROUPS-1:0] listen;
    reg [JW:0] jobs, split;                      // all of them, and those of the first list (0: there is one)
    reg [31:0] listen_word;
    wire we_control  = cfg_we && cfg_kind == 3'd0;
    wire we_jobs     = cfg_we && cfg_kind == 3'd1;
    wire we_weights  = cfg_we && cfg_kind == 3'd2;
    wire we_params   = cfg_we && cfg_kind == 3'd3;
    wire we_segments = cfg_we && cfg_kind == 3'd4;

    initial {listen, jobs, split} = 0;           // read, maybe, before they are written
    always @(posedge clk) begin
        if (we_control && cfg_addr[1:0] == 2'd0) listen <= cfg_wdata[GROUPS-1:0];
        if (we_control && cfg_addr[1:0] == 2'd1) jobs <= cfg_wdata[JW:0];
        if (LISTS > 1 && we_control && cfg_addr[1:0] == 2'd2) split <= cfg_wdata[JW:0];
    end

    always @* begin
        listen_word = 32'd0;
        listen_word[GROUPS-1:0] = listen;
    end

    // Without a comparison where the memory's words are a power of two.
    function below(input [19:0] address, input integer words);
        below = (words & (words - 1)) == 0 ? (address & ~(words[19:0] - 20'd1)) == 0 : {12'd0, address} < words;
    endfunction

    always @* begin
        case (cfg_kind)
            3'd0: cfg_in_range = below(cfg_addr, LISTS > 1 ? 3 : 2);
            3'd1: cfg_in_range = below(cfg_addr, JOBS * 16);
            3'd2: cfg_in_range = below(cfg_addr, WEIGHT_ROWS * BANKS);
            3'd3: cfg_in_range = below(cfg_addr, PARAMETERS * WORDS);
            3'd4: cfg_in_range = below(cfg_addr, SEGMENTS * FIELDS);
            default: cfg_in_range = 1'b0;
        endcase
    end

    // ---------------------------------------------------------------- occupancy of the source groups
    reg  [2*GROUPS-1:0] full, first_step;
    wire                parity;      // of the step in which the next job is
    reg                 virgin;      // there has been no step yet
    wire                fetched;
    wire                listening = |(listen & bus_onehot);
    wire [2*GROUPS-1:0] there;       // full, and not about to be released
    wire [GROUPS-1:0]   now_full  = parity ? there[GROUPS +: GROUPS] : there[0 +: GROUPS];
    wire [GROUPS-1:0]   before_full = parity ? there[0 +: GROUPS] : there[GROUPS +: GROUPS];
    wire [GROUPS-1:0]   now_first = parity ? first_step[GROUPS +: GROUPS] : first_step[0 +: GROUPS];

    assign occupied = full;

    wire                 arrives  = bus_valid && bus_last;
    wire [GROUPS-1:0]    arrived  = arrives ? listen & bus_onehot : {GROUPS{1'b0}};
    wire [2*GROUPS-1:0]  arriving = {bus_parity ? arrived : {GROUPS{1'b0}}, bus_parity ? {GROUPS{1'b0}} : arrived};
    wire [2*GROUPS-1:0]  leaving;                // with the last word of the job whose words are being fetched
    wire [GROUPS-1:0]    wait_now, wait_before, release_now, release_before;
    wire                 start;

    always @(posedge clk) begin
        full  <= rst ? {2*GROUPS{1'b0}} : (fetched ? full & ~leaving : full) | arriving;
        first_step <= (first_step & ~arriving) | (bus_first ? arriving : {2*GROUPS{1'b0}});
    end

    // A register, as it takes long to find; compact: none.
    generate
        if (COMPACT == 0) begin : kept_there
            reg  [2*GROUPS-1:0] unclaimed;
            wire [GROUPS-1:0]   of_before = virgin ? {GROUPS{1'b0}} : release_before;
            wire [2*GROUPS-1:0] claimed = parity ? {release_now, of_before} : {of_before, release_now};  // by the next job
            always @(posedge clk)
                unclaimed <= rst ? {2*GROUPS{1'b0}} : (start ? unclaimed & ~claimed : unclaimed) | arriving;
            assign there = unclaimed;
        end else begin : found_there
            assign there = full & ~leaving;
        end
    endgenerate

    // ---------------------------------------------------------------- the next job
    wire              job_ready, job_synaptic, job_room, job_through;
    wire [6:0]        job_flags;
    wire [3:0]        job_shift, job_dialect;
    wire [GW-1:0]     job_group;
    wire [15:0]       job_slot, job_parameters, job_dest;
    // verilator lint_off UNUSEDSIGNAL
    wire [15:0]       first_segment, segments_of_row, row_step;  // wider than some hardware's memories
    // verilator lint_on UNUSEDSIGNAL
    wire [11:0]       columns, lines;
    wire [23:0]       job_counts;
    wire              uniform;
    wire [88:0]       windows;
    wire [7:0]        job_neurons;
    wire [31:0]       job_word;
    wire              segments_idle, segments_busy, update_takes_job;
    wire              first_here = |(now_first & wait_now);
    wire              complete = (now_full & wait_now) == wait_now
                               && (virgin || (before_full & wait_before) == wait_before);
    wire              second, turn;
    assign start = job_ready && segments_idle && complete && job_room;

    job_fetch #(.JOBS(JOBS), .GROUPS(GROUPS), .GW(GW), .LISTS(LISTS), .SPOTS(SPOTS)) next (
        .clk(clk), .run(run), .jobs(jobs), .split(split), .turn(turn), .second(second),
        .we(we_jobs), .cfg_addr(cfg_addr[JW+3:0]), .cfg_wdata(cfg_wdata), .cfg_rdata(job_word),
        .ready(job_ready), .start(start), .advance(job_through), .wait_now(wait_now), .wait_before(wait_before),
        .release_now(release_now), .release_before(release_before), .flags(job_flags), .shift(job_shift),
        .synaptic(job_synaptic), .dialect(job_dialect), .group(job_group),
        .first_segment(first_segment), .segments(segments_of_row),
        .columns(columns), .lines(lines), .neurons(job_neurons), .slot(job_slot),
        .parameter_slot(job_parameters), .destination(job_dest), .row_step(row_step), .counts(job_counts),
        .uniform(uniform), .windows(windows)
    );

    always @(posedge clk) begin
        if (rst) virgin <= 1'b1;
        else if (start) virgin <= virgin && !job_flags[5];
    end

    job_lists #(.LISTS(LISTS), .GROUPS(GROUPS)) order (
        .clk(clk), .rst(rst), .lists(split != 0), .start(start), .ends(job_flags[5]), .begins_group(job_flags[3]),
        .ends_group(job_flags[4]), .waiting(job_ready && !complete), .wait_now(wait_now), .there(there),
        .second(second), .turn(turn), .parity(parity)
    );

    // `jobs_under_way`: from a job's `start` on, what its rows need to be updated, and what it releases.
    //   room: another one may start          through: pulses when its words in `job_fetch` are not needed any more
    //   leaving: the groups that the job whose words are being fetched releases when it has the last one (`fetched`)
    //   next_job: of the rows that the update takes next, until `job_taken` (compact: until `through`):
    //     0 first step of a sample, 1 parity, [6:2] flags 0 to 4, 7 flag 6, [11:8] shift, 12 synaptic current,
    //     [15:13] bounded, guard, late, [20:16] group, 21 old current, [31:24] neurons of a row - 1,
    //     [47:32] first state slot, [63:48] first parameter slot, [79:64] word of the group's start,
    //     [84:80] most spikes, [87:85] their bit planes - 1, [103:88] words of a plane
    wire [CW-3:0]     job_says = {job_counts, job_dest, job_parameters, job_slot, job_neurons, 2'd0, job_dialect[3],
                                  {(5-GW){1'b0}}, job_group, job_dialect[2:0], job_synaptic, job_shift, job_flags[6],
                                  job_flags[4:0]};
    wire [CW-1:0]     update_job;

    jobs_under_way #(.GROUPS(GROUPS), .CW(CW)) jobs_begun (
        .clk(clk), .rst(rst), .room(job_room), .start(start), .job(job_says), .parity(parity), .first(first_here),
        .virgin(virgin), .release_now(release_now), .release_before(release_before), .through(job_through),
        .leaving(leaving), .next_job(update_job), .fetched(fetched), .job_taken(update_takes_job), .busy(busy)
    );

    // ---------------------------------------------------------------- words, then bits
    // `segments`: for each row (lines x columns of them) every segment of the job, a run of bits that the row's place
    // in the grid moves and the line's ends cut off, as bitmap words without the bits outside of the run. Words without
    // bits are left out, unless a row ends there. It hears of a job in the cycle of `start`, which comes only while it
    // is `idle`; compact: the job's words stand until it is through. `fetched` pulses when the last word of a job is
    // being read, or has been. A row takes several passes where it has bit planes, and where there are maxima: one, or
    // one for each plane, for every position of their windows. A word is {weight row of its bit 0, ends, kind, more,
    // fresh, last, first, bits}; all of it counts weight rows by their numbers (`weight_place`):
    //   ends: a pass ends with it                                more: it is not the row's last one
    //   fresh: it is the row's first one                         last, first: its row is the job's last, first one
    //   kind (only where there are maxima): with that pass a position of a window is whole (`pass_sums`)
    wire          word_read, word_valid, word_ready, walking;
    wire [SW:0]   word_addr;
    wire [31:0]   word_data;
    wire [NW+MK+32:0] word_out;
    wire          token, finish, stall;
    wire [NW-1:0] token_row;
    wire [MK-1:0] finish_marks;

    wire [SW:0]   word_arrives_at = {bus_parity, bus_addr[SW-1:0]};

    ram #(.WIDTH(32), .DEPTH(2 * SPIKE_WORDS)) bitmaps (
        .clk(clk), .we(bus_valid && listening), .waddr(word_arrives_at), .wdata(bus_data),
        .re(word_read), .raddr(word_addr), .rdata(word_data)
    );

    wire [FIELDS*32-1:0] segment_words;
    segments #(
        .SEGMENTS(SEGMENTS), .SPATIAL(SPATIAL), .QUEUE(QUEUE), .PW(SW + 1), .RW(NW), .MAXIMA(MAXIMA), .SPOTS(SPOTS)
    ) segment_list (
        .clk(clk), .run(run),
        .we(we_segments), .cfg_addr(cfg_addr[EW+FW-1:0]), .cfg_wdata(cfg_wdata), .cfg_rdata(segment_words),
        .start(start), .first_segment(first_segment[EW-1:0]), .count(segments_of_row[EW:0]),
        .row_step(row_step[NW-1:0]), .columns(columns), .lines(lines), .parity(parity), .mute_before(first_here),
        .uniform(uniform), .windows(windows),
        .idle(segments_idle), .busy(segments_busy), .fetched(fetched),
        .read(word_read), .raddr(word_addr), .rdata(word_data),
        .arrives(bus_valid && listening), .waddr(word_arrives_at), .wdata(bus_data),
        .valid(word_valid), .ready(word_ready), .word(word_out)
    );

    walk #(.RW(NW), .MK(MK), .BEHIND(COMPACT)) walker (
        .clk(clk), .rst(rst), .enable(!stall), .valid(word_valid), .ready(word_ready), .head(word_out),
        .busy(walking), .token(token), .token_row(token_row), .finish(finish), .finish_marks(finish_marks)
    );

    // ---------------------------------------------------------------- weights and accumulators
    // A token's weights come one cycle later and are registered (compact: not), then summed. A finish goes along (compact:
    // it comes one cycle behind the last token, and goes one cycle faster). Accumulators add up for ever, and the update
    // sees by how much (compact: they are cleared as each pass is taken).
    wire      add, finished, finishing;
    wire [MK-1:0] finished_marks, finishing_marks;
    reg       reads, row_valid, row_starts; // the row is its job's first one, and the pass the row's
    reg [MK-1:1] row_marks;
    wire      take, shift_chain;
    wire      clears = COMPACT != 0 && take;
    wire [(BANKS+1)*UPDATE*ACC_BITS-1:0] chain;
    wire [BANKS*32-1:0] weights;
    wire [RW-1:0] token_place;
    wire [3:0]    part;
    wire [RW-1:0] weight_row = run ? token_place : cfg_addr[(BANKS == 1 ? 0 : BW) +: RW];

    assign chain[BANKS*UPDATE*ACC_BITS +: UPDATE*ACC_BITS] = {UPDATE*ACC_BITS{1'b0}};

    generate
        if (PACKED > 1) begin : several
            wire [3:0] token_part;
            weight_place #(.RW(RW), .PACKED(PACKED)) of_token (
                .number(token_row), .place(token_place), .part(token_part)
            );
            stage #(.WIDTH(4), .CYCLES(2)) to_weights (.clk(clk), .enable(!stall), .in(token_part), .out(part));
        end else begin : single
            assign token_place = token_row;
            assign part = 4'd0;
        end
    endgenerate

    stage #(.WIDTH(MK + 1)) beside_reads (
        .clk(clk), .enable(!stall || rst), .in({finish && !rst, finish_marks}), .out({finishing, finishing_marks})
    );
    stage #(.WIDTH(MK + 2)) to_sums (
        .clk(clk), .enable(!stall || rst), .in({reads && !rst, finishing && !rst, finishing_marks}),
        .out({add, finished, finished_marks})
    );

    always @(posedge clk) begin
        if (rst) begin
            reads     <= 1'b0;
            row_valid <= 1'b0;
        end else if (!stall) begin
            reads     <= token;
            row_valid <= finished;
        end
        if (!stall) row_marks <= finished_marks[MK-1:1];
        if (!stall) row_starts <= finished_marks[0] && finished_marks[2];
    end

    // What the lanes do is said a cycle before they do it (compact: in that cycle), as it has far to go.
    wire acc_enable, acc_clear, hold_enable, hold_take;
    stage #(.WIDTH(4)) orders (
        .clk(clk), .enable(1'b1), .in({rst || clears || (add && !stall), rst || clears, take || shift_chain, take}),
        .out({acc_enable, acc_clear, hold_enable, hold_take})
    );

    genvar b;
    generate
        for (b = 0; b < BANKS; b = b + 1) begin : bank
            wire mine = BANKS == 1 || cfg_addr[BW-1:0] == b;
            lane_bank #(
                .WEIGHT_BITS(WEIGHT_BITS), .PACKED(PACKED), .ACC_BITS(ACC_BITS), .ROWS(WEIGHT_ROWS), .UPDATE(UPDATE)
            ) lanes (
                .clk(clk), .addr(weight_row), .we(we_weights && mine), .wdata(cfg_wdata),
                .weights(weights[b*32 +: 32]), .part(part), .enable(!stall), .read(token || !run),
                .acc_enable(acc_enable), .acc_clear(acc_clear), .hold_enable(hold_enable), .hold_take(hold_take),
                .chain_in(chain[(b+1)*UPDATE*ACC_BITS +: UPDATE*ACC_BITS]),
                .chain_out(chain[b*UPDATE*ACC_BITS +: UPDATE*ACC_BITS])
            );
        end
    endgenerate

    // ---------------------------------------------------------------- update of finished rows
    // `row_update`: takes a row whose sums are complete (`row_valid`, with the marks of its last word) from the lanes
    // into their hold chain, or stalls the walk, and moves it on, UPDATE neurons per cycle, while the next row
    // accumulates. A pass that is not the row's last one leaves its part of the sums (`pass_sums`); with the last one the
    // row goes through the neurons' update, and its spikes or membrane values leave as bus messages. A job is taken with
    // its first row.
    wire [UPDATE*WORDS*32-1:0] params;
    wire updating, update_works;

    row_update #(
        .LANES(LANES), .UPDATE(UPDATE), .ACC_BITS(ACC_BITS), .STATE_BITS(STATE_BITS), .DECAY_BITS(DECAY_BITS),
        .NEURONS(NEURONS), .PARAMETERS(PARAMETERS), .SYNAPSE(SYNAPSE), .DIALECTS(DIALECTS), .SPIKES(SPIKES),
        .PLANES(PLANES), .MAXIMA(MAXIMA), .SHIFT_MAX(SHIFT_MAX), .AW(AW), .GW(GW), .CW(CW)
    ) update (
        .clk(clk), .run(run),
        .we(we_params), .cfg_addr(cfg_addr[PS+UW-1:0]), .cfg_wdata(cfg_wdata), .cfg_rdata(params),
        .next_job(update_job), .job_taken(update_takes_job),
        .row_valid(row_valid), .row_starts(row_starts), .row_marks(row_marks), .take(take), .stall(stall), .shift_chain(shift_chain),
        .chain(chain[0 +: UPDATE*ACC_BITS]),
        .out_valid(out_valid), .out_ready(out_ready), .out_message(out_message),
        .busy(updating), .working(update_works), .saturations(saturations)
    );

    wire under_way = segments_busy || word_valid || walking || reads || finishing || add || finished || row_valid;
    assign busy    = under_way || updating;
    assign working = (under_way && !stall) || update_works;

    // ---------------------------------------------------------------- configuration read-back
    // Memories answer one cycle after their address, and everything stands for four cycles.
    wire [2:0]    kind_now, kind_last;
    wire [BW-1:0] bank_last;
    wire [UW-1:0] word_now;
    reg  [31:0]   other;
    wire [31:0]   other_last;

    stage #(.WIDTH(3 + UW)) asked_now (
        .clk(clk), .enable(1'b1), .in({cfg_kind, cfg_addr[UW-1:0]}), .out({kind_now, word_now})
    );
    stage #(.WIDTH(3 + BW), .CYCLES(2)) asked_last (
        .clk(clk), .enable(1'b1), .in({cfg_kind, BANKS > 1 ? cfg_addr[BW-1:0] : {BW{1'b0}}}),
        .out({kind_last, bank_last})
    );

    always @* begin
        case (kind_now)
            3'd0: other = LISTS > 1 && word_now[1] ? {{(31-JW){1'b0}}, split}
                        : word_now[0] ? {{(31-JW){1'b0}}, jobs} : listen_word;
            3'd1: other = job_word;
            3'd3: other = params[word_now*32 +: 32];
            default: other = segment_words[word_now[FW-1:0]*32 +: 32];
        endcase
    end

    stage #(.WIDTH(32)) others (.clk(clk), .enable(1'b1), .in(other), .out(other_last));
    stage #(.WIDTH(32)) answer (
        .clk(clk), .enable(1'b1), .in(kind_last == 3'd2 ? weights[bank_last*32 +: 32] : other_last), .out(cfg_rdata)
    );
endmodule
