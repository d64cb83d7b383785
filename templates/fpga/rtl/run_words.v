// A run of bits as words: which bitmap word is read next, and, when it comes, that word without the bits outside of the
// run. Two stages: the run, and the word read, which is `given`.
module run_words #(
    parameter BW = 14,                     // bits of a bit address within one parity
    parameter RW = 11                      // bits of a weight row
) (
    input  wire          clk,
    input  wire          run,
    // the run
    input  wire          valid,
    input  wire          load,             // it is taken, if there is one
    input  wire [BW-1:0] first,
    input  wire [BW-1:0] last,
    input  wire [RW-1:0] row,              // weight row of its first bit
    input  wire          empty,
    input  wire          of_before,
    input  wire          ends_plane,
    input  wire [4:0]    marks,            // {job's first row, its last, its last segment, parity, row's last segment}
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
    output reg           given,            // there is one
    output wire [RW+36:0] word             // {row of bit 0, ends, more, fresh, last, first, bits}
);
    // ---------------------------------------------------------------- the run
    reg  [BW-6:0] at, stop;
    reg  [4:0]    low, high;               // first and last bit
    reg  [RW-1:0] base;
    reg           head, old, plane;
    reg  [4:0]    kept;
    wire          at_end = sparse || at == stop;

    assign leaves     = give && at_end;
    assign leaves_job = leaves && kept[2];
    assign raddr      = {kept[1] ^ old, at};

    always @(posedge clk) begin
        if (!run) going <= 1'b0;
        else if (load) going <= valid;
        else if (leaves) going <= 1'b0;
        if (load) begin
            at     <= first[BW-1:5];
            stop   <= last[BW-1:5];
            low    <= first[4:0];
            high   <= last[4:0];
            base   <= row - {{(RW-5){1'b0}}, first[4:0]};
            head   <= 1'b1;
            sparse <= empty;
            old    <= of_before;
            plane  <= ends_plane;
            kept   <= marks;
        end else if (give) begin
            at   <= at + 1'b1;
            base <= base + 32;
            head <= 1'b0;
        end
    end

    // ---------------------------------------------------------------- the word, its run's bits only
    reg           row_ends, plane_ends, first_row, last_row, any, fresh;
    reg  [4:0]    cut_low, cut_high;
    reg  [RW-1:0] word_row;
    wire          ends = row_ends || plane_ends;
    wire          more = plane_ends && !row_ends;
    wire [31:0]   above = 32'hFFFFFFFF << cut_low;
    wire [31:0]   below = 32'hFFFFFFFF >> (5'd31 - cut_high);
    wire [31:0]   bits = any ? rdata & above & below : 32'd0;

    assign word = {word_row, ends, more, fresh, last_row, first_row, bits};

    always @(posedge clk) begin
        if (!run) begin
            given <= 1'b0;
            fresh <= 1'b1;
        end else if (moves) begin
            given <= give;
            if (given && ends) fresh <= !more;
        end
        if (moves) begin
            any        <= !sparse;
            row_ends   <= at_end && kept[0];
            plane_ends <= at_end && plane;
            first_row  <= kept[4];
            last_row   <= kept[3];
            cut_low    <= head ? low : 5'd0;
            cut_high   <= at_end ? high : 5'd31;
            word_row   <= base;
        end
    end
endmodule
