// Finished rows through their neurons' update, and the messages of what comes of it (interface: core.v). Compact: one
// neuron at a time (UPDATE is 1); it starts when the one before is through and its message is gone.
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
    parameter DIALECTS    = 0,
    parameter SPIKES      = 1,
    parameter PLANES      = 1,
    parameter MAXIMA      = 0,
    parameter AW          = 10,
    parameter GW          = 5,
    parameter CW          = 104,
    parameter WORDS       = SYNAPSE != 0 || DIALECTS != 0 ? 8 : 4,
    parameter UW          = $clog2(UPDATE * WORDS),
    parameter PS          = $clog2(PARAMETERS / UPDATE),
    parameter MK          = MAXIMA != 0 ? 6 : 4
) (
    input  wire                       clk,
    input  wire                       run,
    // parameter memory
    input  wire                       we,
    input  wire [PS+UW-1:0]           cfg_addr,
    input  wire [31:0]                cfg_wdata,
    output wire [UPDATE*WORDS*32-1:0] cfg_rdata,
    // rows
    input  wire [CW-1:0]              next_job,
    // verilator lint_off UNUSEDSIGNAL
    input  wire                       begins_next,
    // verilator lint_on UNUSEDSIGNAL
    output wire                       job_taken,
    input  wire                       row_valid,
    input  wire                       row_starts,
    input  wire [MK-1:1]              row_marks,
    output wire                       take,
    output wire [1:0]                 waits,
    output wire                       shift_chain,
    input  wire [UPDATE*ACC_BITS-1:0] chain,
    // results
    output wire                       out_valid,
    input  wire                       out_ready,
    output wire [GW+AW+34:0]          out_message,
    output wire                       busy,
    output wire                       working,
    output wire [4:0]                 saturations
);
    localparam NW     = $clog2(NEURONS / UPDATE);
    localparam LW     = $clog2(LANES + 1);
    // From issue to result: memory, then neuron_update.
    localparam PLAIN  = SYNAPSE != 0 ? 6 : 5;
    localparam STAGES = DIALECTS == 0 ? PLAIN : SPIKES > 1 ? PLAIN + SPIKES + 4 : PLAIN + 2;
    localparam [STAGES-1:0] BEFORE = (1 << PLAIN) - 1;
    wire rst = !run;

    // ---------------------------------------------------------------- the job, which stands until its rows are through
    // verilator lint_off UNUSEDSIGNAL
    wire [CW-1:0] job = next_job;                  // not all of it is for here
    // verilator lint_on UNUSEDSIGNAL
    wire          job_first_step = job[0];
    wire          job_parity     = job[1];
    wire          job_values     = job[4];
    wire          job_begins     = job[5];         // the first one of its group
    wire          job_ends       = job[6];         // the last one of its group
    wire [GW-1:0] job_group      = job[16 +: GW];
    wire [AW-1:0] job_dest       = job[64 +: AW];

    // ---------------------------------------------------------------- the row
    reg  [STAGES-1:0] issued;                      // one bit per stage: where the neuron is
    wire          drained, holds, more;
    wire          plain  = DIALECTS == 0 || {job[21], job[15:13], job[84:81]} == 0;
    wire          result = plain ? issued[PLAIN-1] : issued[STAGES-1];
    wire          moves = holds && drained;
    wire          issue = moves && !more;          // what moves is a whole sum: the neuron is updated
    wire [UPDATE:0] present_now;
    wire [NW-1:0] slot;
    wire [PS-1:0] parameter_slot;

    assign shift_chain = moves;

    hold_chain #(.UPDATE(UPDATE), .LW(LW), .NW(NW), .PS(PS), .PASSES(PLANES > 1 || MAXIMA != 0), .CW(CW)) row (
        .clk(clk), .rst(rst), .job(job), .row_valid(row_valid), .row_starts(row_starts), .row_last(row_marks[1]),
        .row_more(row_marks[3]), .drained(drained), .room(1'b0), .begins_next(1'b0), .alike_next(1'b0),
        .take(take), .take_job(job_taken), .waits_next(waits), .holds(holds), .more(more), .moves(moves), .next_slot(result),
        .present(present_now), .slot(slot), .parameter_slot(parameter_slot)
    );

    wire [UPDATE*ACC_BITS-1:0] sums;
    pass_sums #(.LANES(LANES), .UPDATE(UPDATE), .ACC_BITS(ACC_BITS), .PLANES(PLANES), .MAXIMA(MAXIMA)) passes (
        .clk(clk), .take(take), .first(row_marks[2]), .kind(MAXIMA != 0 ? row_marks[MK-1:MK-2] : 2'd0),
        .moves(moves), .more(more), .enable(moves), .chain(chain), .sums(sums)
    );

    // ---------------------------------------------------------------- its neuron
    reg  [UPDATE:0]   present;                     // {the job's last one, it exists}
    wire [UPDATE-1:0] exists = present[UPDATE-1:0];
    wire [UPDATE*SPIKES-1:0] fired;                // of each plane, the lowest first
    wire [UPDATE*STATE_BITS-1:0] value;

    always @(posedge clk) begin
        issued <= rst ? {STAGES{1'b0}} : {issued[STAGES-2:0], issue} & (plain ? BEFORE : {STAGES{1'b1}});
        if (issue) present <= present_now;
    end

    neurons #(
        .UPDATE(UPDATE), .ACC_BITS(ACC_BITS), .STATE_BITS(STATE_BITS), .DECAY_BITS(DECAY_BITS), .SHIFT_MAX(SHIFT_MAX),
        .NEURONS(NEURONS), .PARAMETERS(PARAMETERS), .SYNAPSE(SYNAPSE), .DIALECTS(DIALECTS), .SPIKES(SPIKES), .CW(CW)
    ) slots (
        .clk(clk), .run(run), .we(we), .cfg_addr(cfg_addr), .cfg_wdata(cfg_wdata), .cfg_rdata(cfg_rdata),
        .job(job), .issue(issue), .slot(slot), .parameter_slot(parameter_slot), .sums(sums),
        .enable(issue || issued != 0), .plain(plain), .result(result), .result_slot(slot), .exists(exists),
        .fired(fired), .values(value), .saturations(saturations)
    );

    // ---------------------------------------------------------------- its message
    reg [32*SPIKES-1:0] data;                      // of each plane; spikes come in at the top
    reg [4:0]    fill;
    reg [AW-1:0] dest;
    reg          aligning, whole, closes;
    integer      p;
    wire         final_now = present[UPDATE] && job_ends;

    assign drained     = issued == 0 && !aligning && !whole;
    localparam COUNTS = SPIKES > 1 ? AW + 3 : 1;
    wire [COUNTS-1:0] counts;
    wire              gone;                        // all its planes

    generate
        if (SPIKES > 1) begin : several
            assign counts = {job[88 +: AW], job[87:85]};
        end else begin : one
            assign counts = 1'b0;
        end
    endgenerate

    plane_messages #(.SPIKES(SPIKES), .AW(AW), .GW(GW), .COUNTS(COUNTS)) messages (
        .clk(clk), .rst(rst), .valid(whole), .ready(gone),
        .entry({counts, job_group, job_parity, dest, job_first_step, closes, data}),
        .out_valid(out_valid), .out_ready(out_ready), .out_message(out_message)
    );

    assign busy        = holds || !drained;
    assign working     = moves || issued != 0 || aligning;

    always @(posedge clk) begin
        if (result) closes <= final_now;
        for (p = 0; p < SPIKES; p = p + 1)
            if (result || aligning) data[32*p +: 32] <= {result && fired[p], data[32*p+1 +: 31]};
        if (result && job_values) data[31:0] <= {{(32-STATE_BITS){value[STATE_BITS-1]}}, value};
        if (job_taken && job_begins) fill <= 5'd0;
        else if (aligning || (result && !job_values)) fill <= fill + 1'b1;
        if (job_taken && job_begins) dest <= job_dest;
        else if (whole && gone) dest <= dest + 1'b1;
        if (rst) begin
            aligning <= 1'b0;
            whole    <= 1'b0;
        end else begin
            aligning <= fill != 5'd31 && (aligning || (result && final_now && !job_values));
            if (result) whole <= job_values || fill == 5'd31;
            else if (aligning) whole <= fill == 5'd31;
            else if (gone) whole <= 1'b0;
        end
    end
endmodule
