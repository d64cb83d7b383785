// Finished rows through their neurons' update, and the messages of what comes of it (interface: core.v). Pipelined:
// UPDATE neurons enter in a cycle, and messages leave through a queue.
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
    input  wire                       begins_next,
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
    // From issue to result: the lanes, the sum, then memory, then neuron_update.
    localparam PLAIN  = 9;
    localparam STAGES = DIALECTS == 0 ? PLAIN : SPIKES > 1 ? PLAIN + SPIKES + 4 : PLAIN + 2;
    localparam [STAGES-1:0] BEFORE = (1 << PLAIN) - 1;
    localparam PW     = UPDATE + 2;                // {the group's first slot, its last, which of its neurons exist}
    // Membrane values leave one by one: so many cycles from a slot to the next that the queue takes what is under way.
    localparam QUEUE  = UPDATE > 8 ? 32 : 16;      // messages
    localparam FREE   = QUEUE - 4;
    localparam LEAST_PLAIN = ((PLAIN + 1 + UPDATE) * UPDATE + FREE - 1) / FREE;
    localparam LEAST  = ((STAGES + 1 + UPDATE) * UPDATE + FREE - 1) / FREE;
    localparam PLAIN_PACE = LEAST_PLAIN > UPDATE ? LEAST_PLAIN : UPDATE;
    localparam PACE   = LEAST > UPDATE ? LEAST : UPDATE;
    wire rst = !run;

    // ---------------------------------------------------------------- the job of the row in the hold chain
    // verilator lint_off UNUSEDSIGNAL
    reg  [CW-1:0] job;                             // not all of it is for here
    wire [CW-1:0] job_next = row_starts ? next_job : job;
    // verilator lint_on UNUSEDSIGNAL
    wire          job_values     = job[4];
    wire          group_begins   = job_taken && job_next[5];
    wire          group_ends     = job[6];
    // What its neurons do: of spiking ones, groups that do the same may follow each other closely. Not a group itself in
    // the next step: its neurons' states are not there yet.
    wire [18:0]   does           = {job[84:80], job[21], job[15:12], job[11:8], job[4:2], job[0], begun};
    wire [18:0]   does_next      = {next_job[84:80], next_job[21], next_job[15:12], next_job[11:8], next_job[4:2],
                                    next_job[0], 1'b0};
    reg           plain, flows;                    // nothing of a dialect is asked for; slots are under way
    // The same group again, of the next step: its neurons' states must have been written. That is so where it is no
    // shorter than the way of a neuron, as one enters in a cycle.
    wire          again          = job[16 +: GW] == next_job[16 +: GW];
    reg  [$clog2(STAGES):0] entered;               // of the group, up to that length
    wire          long           = entered >= (plain ? PLAIN : STAGES);
    reg           begun;                           // a group has, and has no result yet

    // ---------------------------------------------------------------- the row
    reg           room;                            // for the messages of another slot
    reg           drained;                         // nothing of the rows before the one in the chain is under way
    wire          holds, more;
    wire          moves = holds && (room || more);
    wire          issue = moves && !more;          // what moves are whole sums: neurons are updated
    wire [UPDATE:0] present_now;
    wire [NW-1:0] slot;
    wire [PS-1:0] parameter_slot;

    always @(posedge clk) begin
        if (job_taken) job <= next_job;
        entered <= group_begins ? 0 : issue && entered < STAGES ? entered + 1'b1 : entered;
    end

    wire          room_next, drained_next;
    assign shift_chain = moves;

    hold_chain #(
        .UPDATE(UPDATE), .LW(LW), .NW(NW), .PS(PS), .PASSES(PLANES > 1 || MAXIMA != 0), .EARLY(1), .CW(CW)
    ) row (
        .clk(clk), .rst(rst), .job(job_next), .row_valid(row_valid), .row_starts(row_starts), .row_last(row_marks[1]),
        .row_more(row_marks[3]), .drained(drained_next), .room(room_next),
        .begins_next(begins_next), .alike_next(!job_taken && does == does_next && !job_values && (!again || long)),
        .take(take), .take_job(job_taken), .waits_next(waits), .holds(holds), .more(more), .moves(moves), .next_slot(issue),
        .present(present_now), .slot(slot), .parameter_slot(parameter_slot)
    );

    // ---------------------------------------------------------------- by how much the lanes' sums have grown
    localparam DEPTH = (LANES + UPDATE - 1) / UPDATE;
    localparam DW    = DEPTH > 1 ? $clog2(DEPTH) : 1;
    reg  [UPDATE*ACC_BITS-1:0] earlier [0:DEPTH-1];  // the lanes' sums, when they were moved last
    reg  [DW:0]          known;                    // so many of these
    reg  [DW-1:0]        index;
    wire [UPDATE*ACC_BITS-1:0] last = {1'b0, index} < known ? earlier[index] : {UPDATE*ACC_BITS{1'b0}};
    reg  [UPDATE*ACC_BITS-1:0] grown;              // one cycle later, as what follows
    // The lanes are a cycle behind: `chained` is what concerns what is at the chain's end, `then` goes with `grown`.
    localparam WITH      = 4 + 2 + NW + PS;
    reg  [WITH-1:0]      chained, then;
    wire                 chained_take = chained[0], chained_moves = chained[1];
    wire                 take_then, moves_then, first_then, more_then;
    wire [1:0]           kind_then;
    wire [NW-1:0]        slot_then;
    wire [PS-1:0]        parameter_then;
    assign {slot_then, parameter_then, kind_then, first_then, more_then, moves_then, take_then} = then;
    integer u;

    always @(posedge clk) begin
        for (u = 0; u < UPDATE; u = u + 1)
            grown[u*ACC_BITS +: ACC_BITS] <= chain[u*ACC_BITS +: ACC_BITS] - last[u*ACC_BITS +: ACC_BITS];
        if (chained_moves) earlier[index] <= chain;
        index <= chained_take ? {DW{1'b0}} : chained_moves ? index + 1'b1 : index;
        if (rst) known <= 0;
        else if (chained_moves && known == {1'b0, index}) known <= known + 1'b1;
        chained <= {slot, parameter_slot, MAXIMA != 0 ? row_marks[MK-1:MK-2] : 2'd0, row_marks[2], more, moves, take};
        then    <= chained;
    end

    wire [UPDATE*ACC_BITS-1:0] sums;
    pass_sums #(.LANES(LANES), .UPDATE(UPDATE), .ACC_BITS(ACC_BITS), .PLANES(PLANES), .MAXIMA(MAXIMA)) passes (
        .clk(clk), .take(take_then), .first(first_then), .kind(kind_then),
        .moves(moves_then), .more(more_then), .enable(1'b1), .chain(grown), .sums(sums)
    );

    // ---------------------------------------------------------------- its neurons
    reg  [STAGES-2:0]    issued;                   // one bit per stage, but for the last one
    reg  [PW*(STAGES-1)-1:0] present_line;         // goes along
    reg                  starting;                 // the next slot is the first one of its group
    reg  [NW-1:0]        next_slot;
    reg                  result;                   // of the last stage, as `present`
    reg  [PW-1:0]        present;
    wire [UPDATE-1:0]    exists  = present[UPDATE-1:0];
    wire                 enters  = result && present[UPDATE+1];  // a group
    wire [UPDATE*SPIKES-1:0] fired;                // of each plane, the lowest first
    wire [UPDATE*STATE_BITS-1:0] values;

    wire [STAGES-1:0]    follow  = {issued, 1'b0} & (plain ? BEFORE : {STAGES{1'b1}});

    always @(posedge clk) begin
        if (job_taken) plain <= DIALECTS == 0 || {next_job[21], next_job[15:13], next_job[84:81]} == 0;
        issued       <= rst ? {(STAGES-1){1'b0}} : {follow[STAGES-2:1], issue};
        flows        <= issue || follow != 0;
        result       <= !rst && (plain ? follow[PLAIN-1] : follow[STAGES-1]);
        present      <= plain ? present_line[PW*(PLAIN-2) +: PW] : present_line[PW*(STAGES-2) +: PW];
        present_line <= {present_line[0 +: PW*(STAGES-2)], starting, present_now[UPDATE] && group_ends,
                         present_now[UPDATE-1:0]};
        starting     <= group_begins || (starting && !issue);
        begun        <= !rst && (group_begins || (begun && !enters));
        if (result) next_slot <= result_slot + 1'b1;
    end

    // ---------------------------------------------------------------- its group, from the first result to the last
    localparam COUNTS = SPIKES > 1 ? AW + 3 : 1;
    localparam GB     = NW + AW + COUNTS + GW + 2;
    reg  [GB-1:0]        group_then;               // what the one that has begun says
    reg  [COUNTS+GW+1:0] says;                     // and the one of the results: {counts, group, parity, first step}
    reg  [AW-1:0]        dest;
    wire [NW-1:0]        first_slot;
    wire [AW-1:0]        first_dest;
    wire [COUNTS+GW+1:0] says_then;
    wire [COUNTS-1:0]    counts;
    wire [NW-1:0]        result_slot = enters ? first_slot : next_slot;

    assign {first_slot, first_dest, says_then} = group_then;

    always @(posedge clk) begin
        if (group_begins)
            group_then <= {job_next[32 +: NW], job_next[64 +: AW], counts, job_next[16 +: GW], job_next[1:0]};
        if (enters) says <= says_then;
    end

    neurons #(
        .UPDATE(UPDATE), .ACC_BITS(ACC_BITS), .STATE_BITS(STATE_BITS), .DECAY_BITS(DECAY_BITS), .SHIFT_MAX(SHIFT_MAX),
        .NEURONS(NEURONS), .PARAMETERS(PARAMETERS), .SYNAPSE(SYNAPSE), .DIALECTS(DIALECTS), .SPIKES(SPIKES), .CW(CW)
    ) slots (
        .clk(clk), .run(run), .we(we), .cfg_addr(cfg_addr), .cfg_wdata(cfg_wdata), .cfg_rdata(cfg_rdata),
        .job(job), .issue(issued[1]), .slot(slot_then), .parameter_slot(parameter_then), .sums(sums),
        .enable(flows), .plain(plain), .result(result), .result_slot(result_slot), .exists(exists),
        .fired(fired), .values(values), .saturations(saturations)
    );

    // ---------------------------------------------------------------- their messages
    reg  [32*SPIKES-1:0] pack;
    localparam PLACES = 32 / UPDATE;               // of a result in a word
    reg  [PLACES-1:0]    place;                    // of the next one, one bit each: no shifter
    reg  [5:0]           pace;                     // until the next slot of membrane values
    reg  [UPDATE-1:0]    values_left;              // of the last result, still to be sent
    reg  [UPDATE*STATE_BITS-1:0] values_then;
    reg                  values_final;
    reg                  push, push_final;
    reg  [32*SPIKES-1:0] push_data;
    wire [$clog2(QUEUE):0] queued;
    wire                 final_now  = present[UPDATE];
    wire [32*SPIKES-1:0] packed_now;
    wire                 word_full  = place[PLACES-1];
    wire [PLACES-1:0]    first_place = 1;

    wire [5:0]           paced = issue && job_values ? (plain ? PLAIN_PACE[5:0] : PACE[5:0]) - 1'b1
                               : pace != 0 ? pace - 1'b1 : 6'd0;
    wire                 sends = job_values || word_full || final_now;  // with this result

    assign room_next = queued + {{$clog2(QUEUE){1'b0}}, push} <= 4 && paced == 0;
    assign drained_next = !holds && follow == 0 && values_left == 0 && !(result && sends);
    assign busy    = holds || !drained || out_valid;
    assign working = moves || flows || push;

    always @(posedge clk) begin
        // Known a cycle ahead, whatever leaves the queue then. While the chain holds neurons, what follows may be issued.
        room    <= room_next;
        drained <= rst || drained_next;
        pace    <= rst ? 6'd0 : paced;

        push <= 1'b0;
        if (rst) begin
            values_left <= 0;
        end else if (result && job_values) begin
            push         <= 1'b1;
            push_data[31:0] <= {{(32-STATE_BITS){values[STATE_BITS-1]}}, values[STATE_BITS-1:0]};
            push_final   <= final_now && exists == 1;
            values_then  <= values >> STATE_BITS;
            values_left  <= exists >> 1;
            values_final <= final_now;
        end else if (result) begin
            push       <= word_full || final_now;
            push_data  <= packed_now;
            push_final <= final_now;
            pack       <= word_full || final_now ? {32*SPIKES{1'b0}} : packed_now;
            place      <= word_full || final_now ? first_place : place << 1;
        end else if (values_left != 0) begin
            push        <= 1'b1;
            push_data[31:0] <= {{(32-STATE_BITS){values_then[STATE_BITS-1]}}, values_then[STATE_BITS-1:0]};
            push_final  <= values_final && values_left == 1;
            values_then <= values_then >> STATE_BITS;
            values_left <= values_left >> 1;
        end
        if (rst) {pack, place} <= {{32*SPIKES{1'b0}}, first_place};
        if (enters) dest <= first_dest;
        else if (push) dest <= dest + 1'b1;
    end

    // What a word's planes have in common, then their bits: {counts, group, parity, address, first, last, bits}.
    localparam MW     = COUNTS + GW + AW + 3 + 32 * SPIKES;
    wire [MW-1:0]     entry;
    wire              entry_valid, entry_ready;

    genvar p, q;
    generate
        if (SPIKES > 1) begin : several
            assign counts = {job_next[88 +: AW], job_next[87:85]};
        end else begin : one
            assign counts = 1'b0;
        end
        for (p = 0; p < SPIKES; p = p + 1) begin : plane
            for (q = 0; q < PLACES; q = q + 1) begin : result_place
                assign packed_now[32*p + UPDATE*q +: UPDATE] = pack[32*p + UPDATE*q +: UPDATE]
                                                             | ({UPDATE{place[q]}} & fired[UPDATE*p +: UPDATE]);
            end
        end
    endgenerate

    fifo #(.WIDTH(MW), .DEPTH(QUEUE)) queue (
        .clk(clk), .rst(rst), .push(push),
        .din({says[COUNTS+GW+1:1], dest, says[0], push_final, push_data}),
        .valid(entry_valid), .ready(entry_ready), .dout(entry), .level(queued)
    );

    plane_messages #(.SPIKES(SPIKES), .AW(AW), .GW(GW), .COUNTS(COUNTS)) messages (
        .clk(clk), .rst(rst), .valid(entry_valid), .ready(entry_ready), .entry(entry),
        .out_valid(out_valid), .out_ready(out_ready), .out_message(out_message)
    );
endmodule
