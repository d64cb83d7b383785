// The CRC-32 of words read one after the other, BITS of a word in each cycle.
module digest #(
    parameter BITS = 8,
    parameter LATE = 2             // cycles that a word comes after it was asked for long enough
) (
    input  wire        clk,
    input  wire        clear,      // words are asked for from the next cycle on
    input  wire        enable,
    input  wire        more,       // a word is asked for, not the end waited for
    input  wire [31:0] data,       // the word that was asked for before
    output wire        word_ends,  // in this cycle a word has been asked for long enough
    output wire        turns,      // from the next cycle on the word behind is summed up
    output wire        ended,      // with this cycle all are in
    input  wire        shift,      // the next byte of it
    output reg  [31:0] crc
);
    localparam DW = $clog2(32 / BITS);

    reg  [DW-1:0] part;
    reg           comes, taking;
    wire [DW-1:0] which = part - LATE[DW-1:0];
    wire          takes = LATE == 0 ? comes : taking;
    wire [31:0]   next;

    crc32 #(.BITS(BITS)) of_part (.crc(crc), .data(data[which*BITS +: BITS]), .next(next));

    assign word_ends = &part;
    assign turns     = enable && LATE != 0 && part == LATE[DW-1:0] - 1'b1;
    assign ended     = LATE == 0 ? enable && word_ends && !more : turns && taking && !comes;

    always @(posedge clk) begin
        if (enable) begin
            part <= part + 1'b1;
            if (takes) crc <= next;
            if (word_ends) comes <= more;
        end
        if (turns) taking <= comes;
        if (shift) crc <= crc >> 8;
        if (clear) begin
            part   <= 0;
            comes  <= 1'b0;
            taking <= 1'b0;
            crc    <= 32'hFFFFFFFF;
        end
    end
endmodule
