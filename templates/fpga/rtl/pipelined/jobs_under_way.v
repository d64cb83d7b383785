// The jobs from their start to their last row's update (interface: core.v). Pipelined: two at a time, as the walk may
// be ahead of the update by one; what the update needs waits here for it.
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
    input  wire                fetched,
    input  wire                job_taken,
    // verilator lint_off UNUSEDSIGNAL
    input  wire                busy       // the two counts say enough
    // verilator lint_on UNUSEDSIGNAL
);
    reg [1:0]          fetching, waiting; // jobs that have words to fetch; jobs that the update has not begun
    reg [CW-1:0]       contexts [0:1];
    reg [2*GROUPS-1:0] releases [0:1];    // {of the step before, of this one}
    reg                parities [0:1];
    reg                newest, oldest, nearest; // `nearest` to the update: the first one that waits
    reg                begins, begins_then; // a group, the nearest one and the one behind it: the update asks early
    // verilator lint_off UNUSEDSIGNAL
    wire [CW-1:0]      nearest_job = contexts[nearest];
    // verilator lint_on UNUSEDSIGNAL
    wire [2*GROUPS-1:0] released = releases[oldest];

    assign room    = !fetching[1] && !waiting[1];
    assign through = start;
    assign next_job = {nearest_job[CW-1:6], begins, nearest_job[4:0]};
    assign begins_next = !job_taken && waiting != 0 ? begins : job_taken && waiting[1] ? begins_then : job[3];
    assign leaving = fetching == 0    ? {2*GROUPS{1'b0}}
                   : parities[oldest] ? {released[0 +: GROUPS], released[GROUPS +: GROUPS]} : released;

    always @(posedge clk) begin
        if (rst) begin
            fetching         <= 2'd0;
            waiting          <= 2'd0;
            {newest, oldest, nearest} <= 3'b000;
        end else begin
            fetching         <= fetching + {1'b0, start} - {1'b0, fetched};
            waiting          <= waiting + {1'b0, start} - {1'b0, job_taken};
            {newest, oldest, nearest} <= {newest ^ start, oldest ^ fetched, nearest ^ job_taken};
        end
        begins <= begins_next;
        if (start) begins_then <= job[3];
        if (start) begin
            contexts[newest] <= {job, parity, first};
            releases[newest] <= {virgin ? {GROUPS{1'b0}} : release_before, release_now};
            parities[newest] <= parity;
        end
    end
endmodule
