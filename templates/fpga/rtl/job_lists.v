// In which step the next job is, and, where a core's jobs stand in two lists, of which of them it is (between groups, whose
// jobs stay together). The second list waits for what the first one sends. That one may be a whole step ahead meanwhile,
// but no more: then all that a core sends has room sometime. If neither has a job to start, the second one's is kept ready.
module job_lists #(
    parameter LISTS  = 1,
    parameter GROUPS = 32
) (
    input  wire                clk,
    input  wire                rst,
    // verilator lint_off UNUSEDSIGNAL
    input  wire                lists,        // there are two
    // the job that was fetched
    input  wire                start,        // it is
    input  wire                ends,         // its list
    input  wire                begins_group,
    input  wire                ends_group,
    input  wire                waiting,      // it is there, but not all that it reads
    input  wire [GROUPS-1:0]   wait_now,
    input  wire [2*GROUPS-1:0] there,        // groups, of both parities
    input  wire                second,       // it is of the second list
    // verilator lint_on UNUSEDSIGNAL
    output wire                turn,         // to the other list
    output wire                parity        // of the job's step
);
    generate
        if (LISTS > 1) begin : two
            reg           parity_first, parity_second;
            reg  [1:0]    ahead;             // steps that the first list has begun all of and the second one has not
            reg           known;             // what the other list's next job waits for
            reg  [GROUPS-1:0] other_wait;
            wire          other_parity = second ? parity_first : parity_second;
            wire [GROUPS-1:0] other_full = other_parity ? there[GROUPS +: GROUPS] : there[0 +: GROUPS];
            wire          other_complete = (other_full & other_wait) == other_wait;
            wire          steps = start && ends;
            wire [1:0]    ahead_next = !steps ? ahead : second ? ahead - 1'b1 : ahead + 1'b1;
            wire          may_stay = second ? ahead_next == 2 : ahead_next == 0;
            assign turn = lists && (start ? ends_group && !may_stay
                                          : waiting && begins_group && ahead == 1
                                            && (!second || !known || other_complete));
            assign parity = second ? parity_second : parity_first;
            always @(posedge clk) begin
                if (rst) begin
                    {parity_first, parity_second, known} <= 3'd0;
                    ahead <= 2'd0;
                end else begin
                    ahead <= lists ? ahead_next : 2'd0;
                    if (steps && !second) parity_first <= !parity_first;
                    if (steps && second) parity_second <= !parity_second;
                    if (turn) known <= !start;
                end
                if (turn) other_wait <= wait_now;
            end
        end else begin : one
            reg parity_of_step;
            assign parity = parity_of_step;
            assign turn   = second;          // never
            always @(posedge clk) begin
                if (rst) parity_of_step <= 1'b0;
                else if (start && ends) parity_of_step <= !parity_of_step;
            end
        end
    endgenerate
endmodule
