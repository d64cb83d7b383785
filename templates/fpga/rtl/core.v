// The gather core: for each row of neurons it walks the set bits of the source bitmaps, adds one weight row
// per cycle into the lanes' accumulators, and updates the finished row, UPDATE neurons per cycle, while the
// next row accumulates. It works through its job list once per step, as a dataflow node: a job starts when
// its source groups are complete for the step and, where it reads the step before too (a recurrent
// connection), for that one; the first step of a sample has none before it.
module core #(
    parameter LANES       = 32,
    parameter UPDATE      = 2,
    parameter WEIGHT_BITS = 8,
    parameter ACC_BITS    = 20,
    parameter STATE_BITS  = 24,
    parameter DECAY_BITS  = 16,
    parameter WEIGHT_ROWS = 2048,
    parameter NEURONS     = 512,
    parameter PARAMETERS  = 512, // neurons that have parameters of their own
    parameter SYNAPSE     = 0,   // 1: neurons may have a synaptic current
    parameter SPATIAL     = 1,   // 1: rows may stand in a grid (convolutions, pooling)
    parameter PLANES      = 1,   // more: sources may be numbers, in bit planes
    parameter JOBS        = 64,
    parameter SEGMENTS    = 256,
    parameter QUEUE       = 16,  // bitmap words fetched ahead of the walk, at most
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
    output wire [3:0]          saturations  // in this cycle
);
    localparam BANKS    = LANES * WEIGHT_BITS / 32;
    localparam BW       = BANKS > 1 ? $clog2(BANKS) : 1;
    localparam RW       = $clog2(WEIGHT_ROWS);
    localparam JW       = $clog2(JOBS);
    localparam SW       = $clog2(SPIKE_WORDS);
    localparam EW       = $clog2(SEGMENTS);
    localparam FIELDS   = SPATIAL != 0 ? 4 : 2;  // 32-bit words of a segment
    localparam FW       = SPATIAL != 0 ? 2 : 1;
    localparam WORDS    = SYNAPSE != 0 ? 8 : 4;  // 32-bit words per neuron of the parameter memory
    localparam UW       = $clog2(UPDATE * WORDS);
    localparam PS       = $clog2(PARAMETERS / UPDATE);
    localparam CW       = 80;                    // bits of a job's context

    wire rst = !run;

    // ---------------------------------------------------------------- configuration
    reg [GROUPS-1:0] listen;
    reg [31:0] listen_word;
    reg [JW:0] jobs;
    wire we_control  = cfg_we && cfg_kind == 3'd0;
    wire we_jobs     = cfg_we && cfg_kind == 3'd1;
    wire we_weights  = cfg_we && cfg_kind == 3'd2;
    wire we_params   = cfg_we && cfg_kind == 3'd3;
    wire we_segments = cfg_we && cfg_kind == 3'd4;

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
            3'd0: cfg_in_range = cfg_addr < 2;
            3'd1: cfg_in_range = cfg_addr < JOBS * 16;
            3'd2: cfg_in_range = cfg_addr < WEIGHT_ROWS * BANKS;
            3'd3: cfg_in_range = cfg_addr < PARAMETERS * WORDS;
            3'd4: cfg_in_range = cfg_addr < SEGMENTS * FIELDS;
            default: cfg_in_range = 1'b0;
        endcase
    end

    // ---------------------------------------------------------------- occupancy of the source groups
    reg  [2*GROUPS-1:0] full, first_step;
    reg                 parity;
    reg                 virgin;      // there has been no step yet
    wire                fetched;
    wire                listening = listen[bus_group];
    wire [2*GROUPS-1:0] there;       // full, and not about to be released
    wire [GROUPS-1:0]   now_full  = parity ? there[GROUPS +: GROUPS] : there[0 +: GROUPS];
    wire [GROUPS-1:0]   before_full = parity ? there[0 +: GROUPS] : there[GROUPS +: GROUPS];
    wire [GROUPS-1:0]   now_first = parity ? first_step[GROUPS +: GROUPS] : first_step[0 +: GROUPS];

    assign occupied = full;

    // Up to two jobs have words to fetch: what each releases when it has them all.
    reg  [1:0]           fetching;
    reg                  oldest, release_parity [0:1];
    reg  [2*GROUPS-1:0]  releases [0:1];         // {of the step before, of this one}
    wire [2*GROUPS-1:0]  released = releases[oldest];
    wire                 arrives  = bus_valid && bus_last && listening;
    wire [2*GROUPS-1:0]  arriving = {{(2*GROUPS-1){1'b0}}, arrives} << {bus_parity, bus_group};
    wire [2*GROUPS-1:0]  leaving  = release_parity[oldest] ? {released[0 +: GROUPS], released[GROUPS +: GROUPS]}
                                                           : released;
    assign there = full & ~(fetching != 0 ? leaving : {2*GROUPS{1'b0}});

    always @(posedge clk) begin
        if (rst) full <= 0;
        else if (arrives || fetched) full <= (fetched ? full & ~leaving : full) | arriving;
        if (arrives) first_step[{bus_parity, bus_group}] <= bus_first;
    end

    // ---------------------------------------------------------------- the next job
    wire              job_ready, job_synaptic, segments_idle, segments_busy;
    wire [GROUPS-1:0] wait_now, wait_before, release_now, release_before;
    wire [6:0]        job_flags;
    wire [3:0]        job_shift;
    wire [GW-1:0]     job_group;
    wire [15:0]       first_segment, segments_of_row, job_slot, job_parameters, job_dest, row_step;
    wire [11:0]       columns, lines;
    wire [7:0]        job_neurons;
    wire [31:0]       job_word;
    wire              first_here = |(now_first & wait_now);
    wire              complete = (now_full & wait_now) == wait_now
                               && (virgin || (before_full & wait_before) == wait_before);

    // Contexts wait for the update of their rows: two, as the walk may be that far ahead.
    reg  [CW-1:0]     contexts [0:1];
    reg  [1:0]        waiting;
    reg               newest;
    wire              context_taken;
    wire              start = job_ready && segments_idle && complete && !fetching[1] && !waiting[1];
    wire [31:0]       context_low = {job_neurons, 3'd0, {(5-GW){1'b0}}, job_group, 3'd0, job_synaptic, job_shift,
                                     job_flags[6], job_flags[4:0], parity, first_here};

    job_fetch #(.JOBS(JOBS), .GROUPS(GROUPS), .GW(GW)) next (
        .clk(clk), .run(run), .jobs(jobs),
        .we(we_jobs), .cfg_addr(cfg_addr[JW+3:0]), .cfg_wdata(cfg_wdata), .cfg_rdata(job_word),
        .ready(job_ready), .start(start), .wait_now(wait_now), .wait_before(wait_before),
        .release_now(release_now), .release_before(release_before), .flags(job_flags), .shift(job_shift),
        .synaptic(job_synaptic), .group(job_group), .first_segment(first_segment), .segments(segments_of_row),
        .columns(columns), .lines(lines), .neurons(job_neurons), .slot(job_slot),
        .parameter_slot(job_parameters), .destination(job_dest), .row_step(row_step)
    );

    always @(posedge clk) begin
        if (rst) begin
            parity   <= 1'b0;
            virgin   <= 1'b1;
            fetching <= 2'd0;
            waiting  <= 2'd0;
            oldest   <= 1'b0;
            newest   <= 1'b0;
        end else begin
            fetching <= fetching + {1'b0, start} - {1'b0, fetched};
            waiting  <= waiting + {1'b0, start} - {1'b0, context_taken};
            if (fetched) oldest <= !oldest;
            if (start) begin
                newest <= !newest;
                parity <= parity ^ job_flags[5];
                virgin <= virgin && !job_flags[5];
            end
        end
        if (start) begin
            contexts[newest]       <= {job_dest, job_parameters, job_slot, context_low};
            releases[newest]       <= {virgin ? {GROUPS{1'b0}} : release_before, release_now};
            release_parity[newest] <= parity;
        end
    end

    // ---------------------------------------------------------------- words, then bits
    wire          word_read, word_push, word_valid, word_ready, walking;
    wire [SW:0]   word_addr;
    wire [31:0]   word_data;
    wire [RW+36:0] word_in, word_out;
    wire          token, finish, stall;
    wire [RW-1:0] token_row;
    wire [3:0]    finish_marks;
    wire [$clog2(QUEUE):0] words_queued;

    ram #(.WIDTH(32), .DEPTH(2 * SPIKE_WORDS)) bitmaps (
        .clk(clk), .we(bus_valid && listening), .waddr({bus_parity, bus_addr[SW-1:0]}), .wdata(bus_data),
        .re(word_read), .raddr(word_addr), .rdata(word_data)
    );

    wire [FIELDS*32-1:0] segment_words;
    segments #(.SEGMENTS(SEGMENTS), .SPATIAL(SPATIAL), .PW(SW + 1), .RW(RW)) segment_list (
        .clk(clk), .run(run),
        .we(we_segments), .cfg_addr(cfg_addr[EW+FW-1:0]), .cfg_wdata(cfg_wdata), .cfg_rdata(segment_words),
        .start(start), .first_segment(first_segment), .row_step(row_step), .count(segments_of_row),
        .columns(columns), .lines(lines), .parity(parity), .mute_before(first_here),
        .idle(segments_idle), .busy(segments_busy), .fetched(fetched),
        .read(word_read), .raddr(word_addr), .rdata(word_data),
        .room(words_queued <= QUEUE - 4), .push(word_push), .word(word_in)
    );

    fifo #(.WIDTH(RW + 37), .DEPTH(QUEUE)) word_queue (
        .clk(clk), .rst(rst), .push(word_push), .din(word_in),
        .valid(word_valid), .ready(word_ready), .dout(word_out), .level(words_queued)
    );

    walk #(.RW(RW)) walker (
        .clk(clk), .rst(rst), .enable(!stall), .valid(word_valid), .ready(word_ready), .head(word_out),
        .busy(walking), .token(token), .token_row(token_row), .finish(finish), .finish_marks(finish_marks)
    );

    // ---------------------------------------------------------------- weights and accumulators
    reg       read1, add2, finish1, row_valid;
    reg [3:0] marks1, row_marks;
    wire      take, shift_chain;
    wire [(BANKS+1)*UPDATE*ACC_BITS-1:0] chain;
    wire [BANKS*32-1:0] weights;
    wire [RW-1:0] weight_row = run ? token_row : cfg_addr[(BANKS == 1 ? 0 : BW) +: RW];

    assign chain[BANKS*UPDATE*ACC_BITS +: UPDATE*ACC_BITS] = {UPDATE*ACC_BITS{1'b0}};

    always @(posedge clk) begin
        if (rst) begin
            read1     <= 1'b0;
            add2      <= 1'b0;
            finish1   <= 1'b0;
            row_valid <= 1'b0;
        end else if (!stall) begin
            read1     <= token;
            add2      <= read1;
            finish1   <= finish;
            row_valid <= finish1;
        end
        if (!stall) begin
            marks1    <= finish_marks;
            row_marks <= marks1;
        end
    end

    genvar b;
    generate
        for (b = 0; b < BANKS; b = b + 1) begin : bank
            wire mine = BANKS == 1 || cfg_addr[BW-1:0] == b;
            lane_bank #(.WEIGHT_BITS(WEIGHT_BITS), .ACC_BITS(ACC_BITS), .ROWS(WEIGHT_ROWS), .UPDATE(UPDATE))
            lanes (
                .clk(clk), .addr(weight_row), .we(we_weights && mine), .wdata(cfg_wdata),
                .weights(weights[b*32 +: 32]), .enable(!stall), .read(token || !run),
                .acc_enable(rst || take || (add2 && !stall)), .acc_clear(rst || take),
                .hold_enable(take || shift_chain), .hold_take(take),
                .chain_in(chain[(b+1)*UPDATE*ACC_BITS +: UPDATE*ACC_BITS]),
                .chain_out(chain[b*UPDATE*ACC_BITS +: UPDATE*ACC_BITS])
            );
        end
    endgenerate

    // ---------------------------------------------------------------- update of finished rows
    wire [UPDATE*WORDS*32-1:0] params;
    wire updating, update_works;

    row_update #(
        .LANES(LANES), .UPDATE(UPDATE), .ACC_BITS(ACC_BITS), .STATE_BITS(STATE_BITS), .DECAY_BITS(DECAY_BITS),
        .NEURONS(NEURONS), .PARAMETERS(PARAMETERS), .SYNAPSE(SYNAPSE), .PLANES(PLANES), .AW(AW), .GW(GW), .CW(CW)
    ) update (
        .clk(clk), .run(run),
        .we(we_params), .cfg_addr(cfg_addr[PS+UW-1:0]), .cfg_wdata(cfg_wdata), .cfg_rdata(params),
        .next_job(contexts[newest ^ waiting[0]]), .job_taken(context_taken),
        .row_valid(row_valid), .row_marks(row_marks), .take(take), .stall(stall), .shift_chain(shift_chain),
        .chain(chain[0 +: UPDATE*ACC_BITS]),
        .out_valid(out_valid), .out_ready(out_ready), .out_message(out_message),
        .busy(updating), .working(update_works), .saturations(saturations)
    );

    wire under_way = segments_busy || word_valid || walking || read1 || add2 || finish1 || row_valid;
    assign busy    = under_way || updating;
    assign working = (under_way && !stall) || update_works;

    // ---------------------------------------------------------------- configuration read-back
    reg [2:0]    kind1, kind2;
    reg [BW-1:0] bank1, bank2;
    reg [UW-1:0] word1;
    reg [31:0]   other2;
    always @(posedge clk) begin
        kind1    <= cfg_kind;
        kind2    <= kind1;
        bank1    <= BANKS > 1 ? cfg_addr[BW-1:0] : {BW{1'b0}};
        bank2    <= bank1;
        word1    <= cfg_addr[UW-1:0];
        case (kind1)
            3'd0: other2 <= word1[0] ? {{(31-JW){1'b0}}, jobs} : listen_word;
            3'd1: other2 <= job_word;
            3'd3: other2 <= params[word1*32 +: 32];
            default: other2 <= segment_words[word1[FW-1:0]*32 +: 32];
        endcase
        cfg_rdata <= kind2 == 3'd2 ? weights[bank2*32 +: 32] : other2;
    end
endmodule
