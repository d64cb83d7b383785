// The row in the hold chain: takes it from the lanes, and counts its neurons, their slots in the memory of states and
// their parameters, UPDATE of them at a time. The rows of a job follow each other closely; the first row of a job waits
// until all before it is through, as what is kept per job then changes. Where EARLY, a row comes with the last move of
// the one before, and only the first job of a group waits, if it is not `alike`: those behind it differ in nothing.
module hold_chain #(
    parameter UPDATE = 2,
    parameter LW     = 6,                  // bits of a number of lanes
    parameter NW     = 8,                  // bits of a state slot
    parameter PS     = 8,                  // bits of a parameter slot
    parameter PASSES = 0,                  // 1: a row may take several
    parameter EARLY  = 0,
    parameter CW     = 80
) (
    input  wire              clk,
    input  wire              rst,
    // verilator lint_off UNUSEDSIGNAL
    input  wire [CW-1:0]     job,          // of the row that is in the chain or comes next; not all of it is for here
    // verilator lint_on UNUSEDSIGNAL
    input  wire              row_valid,
    input  wire              row_starts,   // its job
    input  wire              row_last,     // of its job
    input  wire              row_more,     // of its passes another one follows
    input  wire              drained,      // nothing of the rows before is under way; where EARLY, from the next cycle on
    // verilator lint_off UNUSEDSIGNAL
    input  wire              room,         // for what comes of a move, from the next cycle on; where EARLY
    // In the next cycle, where EARLY: the job whose row comes next begins a group; of other neurons that do the same, it
    // may follow.
    input  wire              begins_next,
    input  wire              alike_next,
    // verilator lint_on UNUSEDSIGNAL
    output wire              take,
    output wire              take_job,     // and it is the first one of its job
    output wire [1:0]        waits_next,   // {the first row of a job is kept waiting, another one}, next cycle; else: the row, now
    output reg               holds,        // there are neurons in the chain
    output reg               more,         // of a pass that is not the last one: they are no sums yet
    input  wire              moves,        // the next UPDATE of them leave it
    input  wire              next_slot,
    output wire [UPDATE:0]   present,      // {the job's last ones, which of the UPDATE exist}
    output reg  [NW-1:0]     slot,
    output reg  [PS-1:0]     parameter_slot
);
    wire          shares     = job[7];     // all rows have the same parameters
    wire [LW-2:0] neurons    = job[24 +: LW-1];
    wire [NW-1:0] first_slot = job[32 +: NW];
    wire [PS-1:0] first_parameters = job[48 +: PS];
    reg  [LW-1:0] left;                    // when there are none, of no matter
    reg           last_row, ends;          // no move comes behind the next one

    // What comes of them in this cycle.
    wire          holds_next = take || (holds && !(moves && ends));
    wire          more_next  = take ? PASSES != 0 && row_more : more;
    wire          ends_next  = take ? {1'b0, neurons} < UPDATE : moves ? left <= 2 * UPDATE : ends;

    generate
        if (EARLY != 0) begin : ahead
            reg  first_waits, waits;
            wire free_next = !holds_next && drained;
            wire open_next = !holds_next || (room && !more_next && ends_next);  // with the last move of the row before
            always @(posedge clk) begin
                {first_waits, waits} <= waits_next;
            end
            assign waits_next = rst ? 2'b00 : {!(begins_next && !alike_next ? free_next : open_next), !open_next};
            assign take = row_valid && !(row_starts ? first_waits : waits);
        end else begin : now
            assign take = row_valid && !holds && (!row_starts || drained);
            assign waits_next = {2{row_valid && !take}};
        end
    endgenerate

    assign take_job = take && row_starts;
    assign present[UPDATE] = last_row && ends;

    genvar u;
    generate
        for (u = 0; u < UPDATE; u = u + 1) begin : presence
            assign present[u] = left > u;
        end
    endgenerate

    always @(posedge clk) begin
        holds <= !rst && holds_next;
        more  <= more_next;
        ends  <= ends_next;
        if (take) left <= {1'b0, neurons} + 1'b1;
        else if (moves) left <= left - UPDATE;
        if (take) last_row <= row_last;
        if (take_job) slot <= first_slot;
        else if (next_slot) slot <= slot + 1'b1;
        if (take_job || (take && shares)) parameter_slot <= first_parameters;
        else if (moves && !more) parameter_slot <= parameter_slot + 1'b1;
    end
endmodule
