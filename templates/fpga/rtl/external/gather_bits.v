// Chunks (`gather_chunks`) and the words that they are bits of, one behind the other as words of a bitmap; the last one
// of a list is filled up with zeros.
module gather_bits (
    input  wire        clk,
    input  wire        rst,
    // chunks, and the words that have arrived for them
    input  wire        push,
    input  wire [12:0] chunk,
    output reg         room,       // two cycles after a chunk, at the latest
    input  wire        arrives,
    input  wire [31:0] data,
    // the bitmap
    output reg         valid,
    input  wire        ready,
    output reg         whole,      // there is a word
    output reg  [31:0] word,
    output reg         ends        // the list does
);
    localparam DEPTH = 16;

    wire        chunk_valid, data_valid, closes, zeros, takes;
    wire [4:0]  level;
    wire [5:0]  size;
    wire [4:0]  from;
    wire [31:0] read;
    wire        moves = !valid || ready;
    assign takes = chunk_valid && (zeros || data_valid) && moves;

    fifo #(.WIDTH(13), .DEPTH(DEPTH)) chunks (
        .clk(clk), .rst(rst), .push(push), .din(chunk), .valid(chunk_valid), .ready(takes),
        .dout({closes, zeros, size, from}), .level(level)
    );
    // verilator lint_off PINCONNECTEMPTY
    fifo #(.WIDTH(32), .DEPTH(DEPTH)) words (
        .clk(clk), .rst(rst), .push(arrives), .din(data), .valid(data_valid), .ready(takes && !zeros), .dout(read), .level()
    );
    // verilator lint_on PINCONNECTEMPTY

    // ---------------------------------------------------------------- where they go: turned so that they stand there
    reg  [4:0]  filled;            // bits of the word
    wire [5:0]  then = {1'b0, filled} + (closes ? {1'b0, -filled} : size);
    reg         valid1, over1, ends1, valid2, over2, ends2;
    reg  [4:0]  turn, to;
    reg  [31:0] read1, turned;
    wire [31:0] turned1 = turn[0] ? {read1[30:0], read1[31]} : read1;
    wire [31:0] turned2 = turn[1] ? {turned1[29:0], turned1[31:30]} : turned1;
    wire [31:0] turned4 = turn[2] ? {turned2[27:0], turned2[31:28]} : turned2;
    wire [31:0] turned8 = turn[3] ? {turned4[23:0], turned4[31:24]} : turned4;

    // ---------------------------------------------------------------- the word
    reg  [31:0] filling;           // its bits
    reg  [31:0] below, below_then; // places that are filled, before and behind the chunk: if that is over, of the next word
    wire [31:0] here = turned & ~below & (below_then | {32{over2}});

    always @(posedge clk) begin
        room <= level + {4'd0, push} < DEPTH - 1;
        if (moves) begin
            {valid1, over1, to, ends1} <= {takes, then, closes};
            turn  <= filled - from;
            read1 <= zeros ? 32'd0 : read;
            if (takes) filled <= then[4:0];

            {valid2, over2, ends2} <= {valid1, over1, ends1};
            below_then <= ~(32'hFFFFFFFF << to);
            turned <= turn[4] ? {turned8[15:0], turned8[31:16]} : turned8;

            valid <= valid2 && (over2 || ends2);
            whole <= over2;
            word  <= filling | here;
            ends  <= ends2;
            if (valid2) begin
                filling <= over2 ? turned & below_then : filling | here;
                below   <= below_then;
            end
        end
        if (rst) begin
            {valid, valid1, valid2} <= 3'b000;
            filled          <= 5'd0;
            {filling, below} <= 64'd0;
        end
    end
endmodule
