// A run of bits as words: which bitmap word is read next, and, when it comes, that word without the bits outside of the
// run. Two stages: the run, and the word read, which is `given`.
module run_words #(
    parameter BW = 14,                     // bits of a bit address within one parity
    parameter RW = 11,                     // bits of a weight row
    parameter PB = 1                       // bits of how a pass ends
) (
    input  wire          clk,
    input  wire          run,
    // the run
    input  wire          valid,
    input  wire          load,             // it is taken, if there is one
    // {first bit, last bit, the first one's weight row, there are none, of the step before, how a pass ends, marks}
    // how a pass ends: {its kind, where there are maxima; as a plane}, all 0: it does not end, or the row ends
    // marks: {job's first row, its last, its last segment, parity, row's last segment}
    input  wire [2*BW+RW+PB+6:0] place,
    // its words
    output reg           going,            // there is one to be read
    input  wire          give,             // it is read now
    output reg           sparse,           // it need not be: the run has no bits
    output wire          leaves,           // it is the last one, and read now
    output wire          leaves_job,       // of the whole job
    output wire [BW-5:0] raddr,            // {parity, word}
    // the word read
    input  wire [31:0]   rdata,
    input  wire          moves,            // it goes, and the next one may come
    output wire          given,            // there is one
    output wire [RW+PB+35:0] word          // {row of bit 0, ends, kind, more, fresh, last, first, bits}
);
    // ---------------------------------------------------------------- the run
    reg  [BW-6:0] at, stop;                // words
    reg  [4:0]    low, high;               // first and last bit of these
    reg  [RW-1:0] base;                    // weight row of the word's bit 0
    reg           head, old;
    reg  [PB-1:0] pass;
    reg  [4:0]    marks;
    wire [BW-6:0] first_word, last_word;
    wire [4:0]    first_bit, last_bit, place_marks;
    wire [RW-1:0] row;
    wire          empty, of_before;
    wire [PB-1:0] pass_ends;
    assign {first_word, first_bit, last_word, last_bit, row, empty, of_before, pass_ends, place_marks} = place;

    wire          at_end = sparse || at == stop;

    assign leaves     = give && at_end;
    assign leaves_job = leaves && marks[2];
    assign raddr      = {marks[1] ^ old, at};

    always @(posedge clk) begin
        if (!run) going <= 1'b0;
        else if (load) going <= valid;
        else if (leaves) going <= 1'b0;
        if (load) begin
            {at, low}    <= {first_word, first_bit};
            {stop, high} <= {last_word, last_bit};
            base         <= row - {{(RW-5){1'b0}}, first_bit};
            head         <= 1'b1;
            {sparse, old, pass, marks} <= {empty, of_before, pass_ends, place_marks};
        end else if (give) begin
            at   <= at + 1'b1;
            base <= base + 32;
            head <= 1'b0;
        end
    end

    cut_word #(.RW(RW), .PB(PB)) read_word (
        .clk(clk), .run(run), .moves(moves), .give(give), .any(!sparse), .low(head ? low : 5'd0),
        .high(at_end ? high : 5'd31), .row(base), .row_ends(at_end && marks[0]), .ending(at_end ? pass : {PB{1'b0}}),
        .first_row(marks[4]), .last_row(marks[3]), .rdata(rdata), .given(given), .word(word)
    );
endmodule
