// Cores, the bus that joins them, and their configuration space. One message a cycle crosses the bus,
// and only when every core that listens to its group has room for that step (two steps are buffered):
// nothing can overflow and no result depends on timing.
module fabric #(
    parameter CORES       = 4,
    parameter LANES       = 32,
    parameter UPDATE      = 2,
    parameter WEIGHT_BITS = 8,
    parameter ACC_BITS    = 20,
    parameter STATE_BITS  = 24,
    parameter DECAY_BITS  = 16,
    parameter SHIFT_MAX   = 15,
    parameter WEIGHT_ROWS = 2048,
    parameter PACKED      = 1,
    parameter NEURONS     = 512,
    parameter PARAMETERS  = 512,
    parameter SYNAPSE     = 0,
    parameter DIALECTS    = 0,
    parameter SPIKES      = 1,
    parameter SPATIAL     = 1,
    parameter PLANES      = 1,
    parameter MAXIMA      = 0,
    parameter COMPACT     = 0,
    parameter JOBS        = 64,
    parameter LISTS       = 1,
    parameter SEGMENTS    = 256,
    parameter QUEUE       = 16,
    parameter SPOTS       = 0,
    parameter GROUPS      = 32,
    parameter SPIKE_WORDS = 256,
    parameter OUT_WORDS   = 1024,
    parameter AW          = $clog2(OUT_WORDS),
    parameter GW          = $clog2(GROUPS),
    parameter SB          = $clog2(CORES * UPDATE + 1)
) (
    input  wire                clk,
    input  wire                run,
    // configuration: addresses as in docs/link.md. Compact: nothing is late.
    input  wire                cfg_we,      // in the second cycle of an address, or later; does nothing outside of all
    input  wire [31:0]         cfg_addr,
    input  wire [31:0]         cfg_wdata,
    output wire                cfg_in_range, // two cycles late
    input  wire                cfg_last,    // the last of the cycles (at least four) that an address stands
    output reg  [31:0]         cfg_rdata,   // in as many cycles after those, three cycles late
    output reg  [AW-1:0]       input_words,
    // input bitmap: group 0, word by word
    input  wire                in_valid,
    output wire                in_ready,
    input  wire [AW-1:0]       in_addr,
    input  wire [31:0]         in_data,
    input  wire                in_first,
    input  wire                in_last,
    // every message on the bus, and the groups the listener outside still has to read
    output reg                 bus_valid,
    output reg  [GW-1:0]       bus_group,
    output reg  [GROUPS-1:0]   bus_onehot,  // of the group
    output reg                 bus_parity,
    output reg  [AW-1:0]       bus_addr,
    output reg  [31:0]         bus_data,
    output reg                 bus_first,
    output reg                 bus_last,
    input  wire [2*GROUPS-1:0] occupied_outside,
    // status
    output wire                busy,        // something is under way, if only waiting
    output reg                 working,     // and moved in the cycle before
    output reg  [SB-1:0]       saturated    // neurons, in this cycle
);
    localparam MW = GW + AW + 35;
    localparam SOURCES = CORES + 1;  // the cores, then the input

    wire             entered_we, last;
    wire [31:0]      place, wdata;
    wire [CORES-1:0] meant, mine;  // it is the core's

    stage #(.WIDTH(65 + CORES)) entrance (
        .clk(clk), .enable(1'b1), .in({cfg_we, cfg_addr, cfg_wdata, meant}), .out({entered_we, place, wdata, mine})
    );
    stage #(.WIDTH(1), .CYCLES(3)) ending (.clk(clk), .enable(1'b1), .in(cfg_last), .out(last));

    wire       we = entered_we && (COMPACT != 0 || cfg_in_range);
    wire [7:0] cfg_core = place[31:24];
    wire       cfg_global = cfg_core == 8'hFF && place[23:0] == 24'd0;

    wire       runs;            // only the first word of an input may come before it, and that waits
    stage #(.WIDTH(1)) running (.clk(clk), .enable(1'b1), .in(run), .out(runs));

    // ---------------------------------------------------------------- cores
    wire [SOURCES*MW-1:0]         messages;
    wire [SOURCES-1:0]            offered, ready, granted;
    reg                           downwards;
    wire [CORES*2*GROUPS-1:0]     occupied;
    wire [CORES-1:0]              cores_busy, cores_working, in_range;
    wire [CORES*32-1:0]           rdata;
    wire [CORES*5-1:0]            cores_saturated;
    reg                           in_parity;

    genvar c;
    generate
        for (c = 0; c < CORES; c = c + 1) begin : node
            localparam [7:0] NUMBER = c;
            wire fits;
            assign meant[c] = cfg_addr[31:24] == NUMBER && !cfg_addr[23];
            assign in_range[c] = mine[c] && fits;
            core #(
                .LANES(LANES), .UPDATE(UPDATE), .WEIGHT_BITS(WEIGHT_BITS), .ACC_BITS(ACC_BITS),
                .STATE_BITS(STATE_BITS), .DECAY_BITS(DECAY_BITS), .WEIGHT_ROWS(WEIGHT_ROWS), .PACKED(PACKED),
                .NEURONS(NEURONS), .PARAMETERS(PARAMETERS), .SYNAPSE(SYNAPSE), .DIALECTS(DIALECTS), .SPIKES(SPIKES),
                .SPATIAL(SPATIAL), .PLANES(PLANES), .MAXIMA(MAXIMA), .COMPACT(COMPACT),
                .SHIFT_MAX(SHIFT_MAX), .JOBS(JOBS), .LISTS(LISTS), .SEGMENTS(SEGMENTS), .QUEUE(QUEUE), .SPOTS(SPOTS), .GROUPS(GROUPS),
                .SPIKE_WORDS(SPIKE_WORDS), .AW(AW), .GW(GW)
            ) core (
                .clk(clk), .run(runs),
                .early_we(we && mine[c]), .early_kind(place[22:20]), .early_addr(place[19:0] & {20{mine[c]}}),
                .early_wdata(wdata), .cfg_in_range(fits), .cfg_rdata(rdata[c*32 +: 32]),
                .bus_valid(bus_valid), .bus_onehot(bus_onehot), .bus_parity(bus_parity), .bus_addr(bus_addr),
                .bus_data(bus_data), .bus_first(bus_first), .bus_last(bus_last),
                .occupied(occupied[c*2*GROUPS +: 2*GROUPS]),
                .out_valid(offered[c]), .out_ready(granted[c]), .out_message(messages[c*MW +: MW]),
                .busy(cores_busy[c]), .working(cores_working[c]), .saturations(cores_saturated[c*5 +: 5])
            );
        end
    endgenerate

    wire [AW+33:0] in_message;
    register_slice #(.WIDTH(AW + 34)) input_register (
        .clk(clk), .rst(!run), .in_valid(in_valid), .in_ready(in_ready), .in({in_addr, in_data, in_first, in_last}),
        .out_valid(offered[CORES]), .out_ready(granted[CORES]), .out(in_message)
    );

    assign messages[CORES*MW +: MW] = {{GW{1'b0}}, in_parity, in_message};
    assign busy    = |cores_busy || bus_valid || offered[CORES];

    // ---------------------------------------------------------------- bus
    reg [2*GROUPS-1:0] taken;
    integer i;
    always @* begin
        taken = occupied_outside;
        for (i = 0; i < CORES; i = i + 1) taken = taken | occupied[i*2*GROUPS +: 2*GROUPS];
    end

    generate
        for (c = 0; c < SOURCES; c = c + 1) begin : source
            wire [GW-1:0] group  = messages[c*MW + AW + 35 +: GW];
            wire          parity = messages[c*MW + AW + 34];
            wire          blocked = taken[{parity, group}];
            // A source's messages of a group and step come one behind the other, and nobody else sends them: where there
            // is room for the first there is for all. Found a cycle earlier, as it takes long.
            reg           clear;
            always @(posedge clk) clear <= runs && offered[c] && !blocked && !(granted[c] && messages[c*MW]);
            assign ready[c] = offered[c] && clear;
            if (c == CORES) begin : input_first  // so that read-outs never keep the cores from their next step
                assign granted[c] = ready[c];
            end else begin : core_next  // the first and the last take turns at being served first
                wire earlier = |(ready[CORES-1:0] << (CORES - c));
                wire later = |(ready[CORES-1:0] >> (c + 1));
                assign granted[c] = ready[c] && !ready[CORES] && !(downwards ? later : earlier);
            end
        end
    endgenerate

    reg [MW-1:0] chosen;
    always @* begin
        chosen = 0;
        for (i = 0; i < SOURCES; i = i + 1) chosen = chosen | (messages[i*MW +: MW] & {MW{granted[i]}});
    end

    integer s;
    reg [SB-1:0] total;
    always @* begin
        total = 0;
        for (s = 0; s < CORES; s = s + 1) total = total + cores_saturated[s*5 +: (SB < 5 ? SB : 5)];
    end

    always @(posedge clk) begin
        {bus_group, bus_parity, bus_addr, bus_data, bus_first, bus_last} <= chosen;
        bus_onehot <= {{(GROUPS-1){1'b0}}, 1'b1} << chosen[AW+35 +: GW];
        saturated <= total;
        working   <= |cores_working || bus_valid;
        if (!runs) begin
            bus_valid   <= 1'b0;
            downwards   <= 1'b0;
            in_parity   <= 1'b0;
        end else begin
            bus_valid   <= granted != 0;
            downwards   <= !downwards;
            if (granted[CORES] && in_message[0]) in_parity <= !in_parity;
        end
    end

    // ---------------------------------------------------------------- configuration
    // What is read takes a register (`stage`) at every junction, and is kept at the end of an address's time.
    localparam NB = $clog2(CORES + 1);     // a core's number, or CORES: the global words
    wire [NB-1:0] asked = cfg_core == 8'hFF ? CORES[NB-1:0] : cfg_core[NB-1:0];
    wire [NB-1:0] answers;
    reg  [31:0]   picked;
    integer r;

    initial input_words = 0;               // read, maybe, before it is written

    stage #(.WIDTH(NB), .CYCLES(5)) numbers (.clk(clk), .enable(1'b1), .in(asked), .out(answers));

    always @* begin
        picked = answers == CORES[NB-1:0] ? {{(32-AW){1'b0}}, input_words} : 32'd0;
        for (r = 0; r < CORES; r = r + 1) if (answers == r[NB-1:0]) picked = picked | rdata[r*32 +: 32];
    end

    stage #(.WIDTH(1)) range (.clk(clk), .enable(1'b1), .in(cfg_global || in_range != 0), .out(cfg_in_range));

    always @(posedge clk) begin
        if (last) cfg_rdata <= picked;
        if (we && cfg_global) input_words <= wdata[AW-1:0];
    end
endmodule
