// The streams of an operation (docs/player.md), or the sources of a sum: a table of five words each, and where they stand.
//   0 base, of the sample that is played    1 words from sample to sample    2 words from step to step    3 delay in steps
//   4 where it stands in this step, and, bit 31: it gives zeros
// `advance` goes through all of them: to the next sample, or to the `step` that is played.
module play_streams #(
    parameter AW = 21
) (
    input  wire        clk,
    input  wire        rst,
    input  wire [3:0]  count,
    // the table
    input  wire        we,
    input  wire [6:0]  at,           // {stream, word}: to write, or to read
    input  wire [31:0] wdata,
    output reg  [31:0] found,        // two cycles after `at`, while it is not busy
    // steps and samples
    input  wire        advance,
    input  wire        by_sample,
    input  wire [15:0] step,
    output wire        busy
);
    localparam [2:0] BASE = 3'd0, SAMPLE = 3'd1, STEP = 3'd2, DELAY = 3'd3, STANDS = 3'd4;

    reg  [2:0]    phase;             // 0: at rest
    reg  [3:0]    stream;
    reg           samples, early, late;
    reg  [AW-1:0] from, by;
    reg  [2:0]    field;
    wire [31:0]   rdata;
    wire          stores = phase == 3'd6;
    wire [AW-1:0] stands = from + (late ? by : {AW{1'b0}});

    assign busy = phase != 0;

    always @* begin
        case (phase)
            3'd1:    field = samples || step == 0 ? BASE : STANDS;
            3'd2:    field = samples ? SAMPLE : STEP;
            default: field = DELAY;
        endcase
    end

    ram #(.WIDTH(32), .DEPTH(128)) fields (
        .clk(clk), .we(we || stores), .waddr(we ? at : {stream, samples ? BASE : STANDS}),
        .wdata(we ? wdata : {early, {(31-AW){1'b0}}, stands}),
        .re(1'b1), .raddr(busy ? {stream, field} : at), .rdata(rdata)
    );

    always @(posedge clk) begin
        found <= rdata;
        if (phase == 3'd3) from <= found[AW-1:0];
        if (phase == 3'd4) by <= found[AW-1:0];
        if (phase == 3'd5) {early, late} <= {!samples && step < found[15:0], samples || step > found[15:0]};
        if (busy) phase <= phase + 1'b1;
        if (stores) begin
            stream <= stream + 1'b1;
            phase  <= stream + 1'b1 == count ? 3'd0 : 3'd1;
        end
        if (advance) begin
            samples <= by_sample;
            stream  <= 4'd0;
            phase   <= {2'd0, count != 0};
        end
        if (rst) phase <= 3'd0;
    end
endmodule
