// The job from its start to its last row's update (interface: core.v). Compact: one at a time; its words stand where
// they were fetched to, until it is through.
module jobs_under_way #(
    parameter GROUPS = 32,
    parameter CW     = 80
) (
    input  wire                clk,
    input  wire                rst,
    output wire                room,
    input  wire                start,
    input  wire [CW-3:0]       job,
    input  wire                parity,
    input  wire                first,
    input  wire                virgin,
    input  wire [GROUPS-1:0]   release_now,
    input  wire [GROUPS-1:0]   release_before,
    output wire                through,
    output wire [2*GROUPS-1:0] leaving,
    output wire [CW-1:0]       next_job,
    output wire                begins_next,
    // verilator lint_off UNUSEDSIGNAL
    input  wire                fetched,   // only the job's end counts
    input  wire                job_taken,
    // verilator lint_on UNUSEDSIGNAL
    input  wire                busy
);
    reg  running, parity_then, first_then, virgin_then;
    wire [GROUPS-1:0] of_before = virgin_then ? {GROUPS{1'b0}} : release_before;

    assign room    = 1'b1;                // the next one is fetched only when this one is through
    assign through = running && !busy;
    assign next_job = {job, parity_then, first_then};
    assign begins_next = job[3];
    assign leaving = !running    ? {2*GROUPS{1'b0}}
                   : parity_then ? {release_now, of_before} : {of_before, release_now};

    always @(posedge clk) begin
        if (rst) running <= 1'b0;
        else if (start || through) running <= start;
        if (start) {parity_then, first_then, virgin_then} <= {parity, first, virgin};
    end
endmodule
