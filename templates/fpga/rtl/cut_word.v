// The bitmap word that is read, when it comes, without the bits outside of its run.
module cut_word #(
    parameter RW = 11,                     // bits of a weight row
    parameter PB = 1                       // bits of how a pass ends
) (
    input  wire          clk,
    input  wire          run,
    input  wire          moves,            // it goes, and the next one may come
    // the word that is read now
    input  wire          give,
    input  wire          any,              // it has bits of the run: from `low` to `high`
    input  wire [4:0]    low,
    input  wire [4:0]    high,
    input  wire [RW-1:0] row,              // weight row of its bit 0
    input  wire          row_ends,
    input  wire [PB-1:0] ending,           // how a pass ends with it
    input  wire          first_row,
    input  wire          last_row,
    // and the one that was
    input  wire [31:0]   rdata,
    output reg           given,            // there is one
    output wire [RW+PB+35:0] word          // {row of bit 0, ends, kind, more, fresh, last, first, bits}
);
    reg           row_ends_then, first_then, last_then, fresh;
    reg  [PB-1:0] ending_then;
    reg  [RW-1:0] word_row;
    wire          ends = row_ends_then || ending_then != 0;
    wire          more = ending_then != 0 && !row_ends_then;
    wire [31:0]   mask;
    wire [31:0]   bits = rdata & mask;

    run_mask cut (.clk(clk), .enable(moves), .none(!any), .low(low), .high(high), .mask(mask));

    generate
        if (PB > 1) begin : kinds
            assign word = {word_row, ends, ending_then[PB-1:1], more, fresh, last_then, first_then, bits};
        end else begin : no_kinds
            assign word = {word_row, ends, more, fresh, last_then, first_then, bits};
        end
    endgenerate

    always @(posedge clk) begin
        if (!run) begin
            given <= 1'b0;
            fresh <= 1'b1;
        end else if (moves) begin
            given <= give;
            if (given && ends) fresh <= !more;
        end
        if (moves) begin
            row_ends_then <= row_ends;
            ending_then   <= ending;
            first_then    <= first_row;
            last_then     <= last_row;
            word_row      <= row;
        end
    end
endmodule
