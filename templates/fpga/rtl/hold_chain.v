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
    input  wire [3:0]        row_marks,    // {more, fresh, last, first}
    input  wire              drained,      // nothing of the rows before is under way
    input  wire              alike,        // of other neurons that do the same, the next job may follow
    output wire              take,
    output wire              take_job,     // and it is the first one of its job
    output wire              holds,        // there are neurons in the chain
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
    wire          starts_job = row_marks[0] && row_marks[2];
    wire          waits      = starts_job && (EARLY == 0 || (job[5] && !alike));
    wire          leaves     = EARLY != 0 && moves && !more && left <= UPDATE;  // the row, with this move
    reg  [LW-1:0] left;
    reg           last_row;

    assign holds    = left != 0;
    assign take     = row_valid && (waits ? !holds && drained : !holds || leaves);
    assign take_job = take && starts_job;
    assign present[UPDATE] = last_row && left <= UPDATE;

    genvar u;
    generate
        for (u = 0; u < UPDATE; u = u + 1) begin : presence
            assign present[u] = left > u;
        end
    endgenerate

    always @(posedge clk) begin
        if (rst) left <= 0;
        else if (take) left <= {1'b0, neurons} + 1'b1;
        else if (moves) left <= left > UPDATE ? left - UPDATE : {LW{1'b0}};
        if (take) begin
            more     <= PASSES != 0 && row_marks[3];
            last_row <= row_marks[1];
        end
        if (take_job) slot <= first_slot;
        else if (next_slot) slot <= slot + 1'b1;
        if (take_job || (take && shares)) parameter_slot <= first_parameters;
        else if (moves && !more) parameter_slot <= parameter_slot + 1'b1;
    end
endmodule
