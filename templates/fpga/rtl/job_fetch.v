// The job list: fetches the next job while the one before is walked (compact: when it is through), over and over, once
// per step. Where LISTS is 2 it may be two lists, one behind the other in the memory: of the `second` one, `turn` asks for
// the next job, and gives up the one that is there.
//
// A job is the rows of neurons that one set of sources feeds, of one slice: sixteen words (see
// nirdeploy/backends/fpga/jobs.py, which writes them):
//   0 wait: groups that must be complete        1 the same of the step before
//   2 release: groups not read again in this step       3 the same of the step before
//   4 flags: 0 fires, 1 subtractive reset, 2 emits membrane values, 3 first job of its group, 4 last job of
//     its group, 5 last job of the list, 6 all rows share their parameters; [11:8] shift;
//     12 the neurons have a synaptic current; where DIALECTS: 13 a reset comes one step late, 14 a neuron above
//     threshold after its reset must rise by one more, 15 the membrane is bounded below, 21 it sees the current of the
//     step before; [20:16] group
//   5 [15:0] first segment, [31:16] segments of a row
//   6 [11:0] rows in a line, [23:12] lines, [31:24] neurons of a row - 1
//   7 [15:0] first state slot, [31:16] first parameter slot (a slot: UPDATE neurons)
//   8 [15:0] bitmap or value word of the group's start; where neurons may spike several times a step: [31:16] words
//     from one bit plane of the group to the next
//   9 [15:0] weight rows from one row of neurons to the next; [20:16] most spikes of a neuron in a step, [26:24] bit
//     planes of that number - 1
// and where SPOTS, of a job whose segments are as `spotted_rows` takes them (word 4, bit 22):
//  10 bit address at which the first segment's window starts, for the first row
//  11 [15:0] bits from one segment's window to the next one's, [31:16] from one line of rows to the next
//  12 [15:0] bits from one stretch to the next, [22:16] rows of a stretch
//  13 [6:0] bits from one row to the next, [14:8] how far a window reaches
module job_fetch #(
    parameter JOBS   = 64,
    parameter GROUPS = 32,
    parameter GW     = 5,
    parameter JW     = $clog2(JOBS),
    parameter LISTS  = 1,
    parameter SPOTS  = 0,
    parameter COMPACT = 0    // 1: word 9 stands where it was read, until the next job is fetched
) (
    input  wire              clk,
    input  wire              run,
    input  wire [JW:0]       jobs,
    // verilator lint_off UNUSEDSIGNAL
    input  wire [JW:0]       split,      // jobs of the first list
    input  wire              turn,       // to the other list
    // verilator lint_on UNUSEDSIGNAL
    output wire              second,     // the job there is of the second list
    // configuration
    input  wire              we,
    input  wire [JW+3:0]     cfg_addr,
    input  wire [31:0]       cfg_wdata,
    output wire [31:0]       cfg_rdata,
    // the job
    output reg               ready,
    input  wire              start,      // it is taken
    input  wire              advance,    // its words are not needed any more
    output reg  [GROUPS-1:0] wait_now,
    output reg  [GROUPS-1:0] wait_before,
    output reg  [GROUPS-1:0] release_now,
    output reg  [GROUPS-1:0] release_before,
    output reg  [6:0]        flags,
    output reg  [3:0]        shift,
    output reg               synaptic,
    output reg  [3:0]        dialect,    // {old current, bounded, guard, late}
    output reg  [GW-1:0]     group,
    output reg  [15:0]       first_segment,
    output reg  [15:0]       segments,
    output reg  [11:0]       columns,
    output reg  [11:0]       lines,
    output reg  [7:0]        neurons,
    output reg  [15:0]       slot,
    output reg  [15:0]       parameter_slot,
    output reg  [15:0]       destination,
    output wire [15:0]       row_step,
    output wire [23:0]       counts,     // {words of a plane, planes - 1, most spikes}
    output wire              uniform,    // there are words 10 to 13
    output wire [88:0]       windows     // these: {reach, step, stretch, steps of stretch and line, pitch, address}
);
    wire [3:0] last;         // word of the job

    wire [JW-1:0] job;
    reg [3:0]    fetch;      // word asked for
    reg          fetching, got_valid;
    reg [3:0]    got;        // word arriving
    wire         ask = run && jobs != 0 && fetching && !ready;
    wire         turns;
    reg [15:0]   plane_words;
    wire [23:0]  word_9 = {cfg_rdata[26:24], cfg_rdata[20:0]};
    reg [23:0]   kept_9;

    assign {counts[7:0], row_step} = COMPACT != 0 ? word_9 : kept_9;
    assign counts[23:8] = plane_words;

    ram #(.WIDTH(32), .DEPTH(JOBS * 16)) memory (
        .clk(clk), .we(we), .waddr(cfg_addr), .wdata(cfg_wdata),
        .re(ask || !run), .raddr(run ? {job, fetch} : cfg_addr), .rdata(cfg_rdata)
    );

    generate
        if (SPOTS != 0) begin : with_windows
            reg         more;
            // verilator lint_off UNUSEDSIGNAL
            reg [127:0] words;       // not every bit of them
            // verilator lint_on UNUSEDSIGNAL
            assign last    = more ? 4'd13 : 4'd9;
            assign uniform = more;
            assign windows = {words[110:104], words[102:96], words[86:80], words[79:64], words[63:32], words[19:0]};
            always @(posedge clk) if (got_valid) begin
                if (got == 4'd4) more <= cfg_rdata[22];
                if (got >= 4'd10) words <= {cfg_rdata, words[127:32]};
            end
        end else begin : without_windows
            assign last    = 4'd9;
            assign uniform = 1'b0;
            assign windows = 89'd0;
        end
        if (LISTS > 1) begin : lists
            reg [JW-1:0] first_job, second_job;
            reg          which;
            assign second = which;
            assign turns  = turn;
            assign job    = which ? second_job : first_job;
            always @(posedge clk) begin
                if (!run) begin
                    which      <= 1'b0;
                    first_job  <= 0;
                    second_job <= split[JW-1:0];
                end else begin
                    which <= which ^ turn;
                    if (advance && !which) first_job <= flags[5] ? {JW{1'b0}} : first_job + 1'b1;
                    if (advance && which) second_job <= flags[5] ? split[JW-1:0] : second_job + 1'b1;
                end
            end
        end else begin : list
            reg [JW-1:0] only_job;
            assign second = 1'b0;
            assign turns  = 1'b0;
            assign job    = only_job;
            always @(posedge clk) begin
                if (!run) only_job <= {JW{1'b0}};
                else if (advance) only_job <= flags[5] ? {JW{1'b0}} : only_job + 1'b1;
            end
        end
    endgenerate

    always @(posedge clk) begin
        if (!run) begin
            fetch     <= 0;
            fetching  <= 1'b1;
            got_valid <= 1'b0;
            ready     <= 1'b0;
        end else begin
            if (ask) begin
                fetch    <= fetch + 1'b1;
                fetching <= fetch != last;
            end
            got_valid <= ask;
            got       <= fetch;
            if (got_valid && got == last) ready <= 1'b1;
            if (start || turns) ready <= 1'b0;
            if (advance || turns) begin
                fetch    <= 0;
                fetching <= 1'b1;
            end
        end
        if (got_valid) begin
            case (got)
                4'd0: wait_now       <= cfg_rdata[GROUPS-1:0];
                4'd1: wait_before    <= cfg_rdata[GROUPS-1:0];
                4'd2: release_now    <= cfg_rdata[GROUPS-1:0];
                4'd3: release_before <= cfg_rdata[GROUPS-1:0];
                4'd4: begin
                    flags    <= cfg_rdata[6:0];
                    shift    <= cfg_rdata[11:8];
                    synaptic <= cfg_rdata[12];
                    dialect  <= {cfg_rdata[21], cfg_rdata[15:13]};
                    group    <= cfg_rdata[16 +: GW];
                end
                4'd5: {segments, first_segment} <= cfg_rdata;
                4'd6: {neurons, lines, columns} <= cfg_rdata;
                4'd7: {parameter_slot, slot} <= cfg_rdata;
                4'd8: {plane_words, destination} <= cfg_rdata;
                4'd9: kept_9 <= word_9;
                default: ;
            endcase
        end
    end
endmodule
