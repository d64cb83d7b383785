// Walks the set bits of a run of bitmap words, lowest first, one per cycle; a zero word costs one
// cycle. Per set bit it emits a token with the weight row `base + 32 * word + bit`; after the last
// word of a segment that ends a row, one `finish` token.
//
// Bitmap memory is outside: `read` with `raddr` now, `rdata` one cycle later.
module walk #(
    parameter SW = 9,  // bits of a bitmap address (parity included)
    parameter CW = 9,  // bits of a word count
    parameter RW = 11  // bits of a weight row
) (
    input  wire          clk,
    input  wire          rst,
    input  wire          enable,    // 0 freezes tokens, not the fetch of words
    // segment
    input  wire          start,     // only while idle
    input  wire [SW-1:0] first_word,
    input  wire [CW-1:0] words,     // at least 1
    input  wire [RW-1:0] base,
    input  wire          ends_row,
    output wire          idle,
    output wire          fetched,   // pulses when the last word is being read
    output wire          ending,    // pulses with the last bit of a segment that ends a row
    // bitmap memory
    output wire          read,
    output wire [SW-1:0] raddr,
    input  wire [31:0]   rdata,
    // tokens, registered
    output reg           token,
    output reg  [RW-1:0] token_row,
    output reg           finish
);
    // --- fetch: up to two words ahead of the bits ---
    reg [CW-1:0] left;
    reg [SW-1:0] next_addr;
    reg          pending, pending_last;
    reg [31:0]   ahead;
    reg          ahead_valid, ahead_last;

    // --- bits of the current word ---
    reg [31:0]   word;
    reg          word_valid, word_last;
    reg [RW-1:0] word_base;
    reg          wants_finish, active;
    reg          finishing, bit_finish;

    wire [31:0] rest = word & (word - 1'b1);
    wire        done_word = !word_valid || rest == 0;
    wire        supply = ahead_valid || pending;
    // The first word waits until the row before has left its token: its `ending` may not catch up with it.
    wire        load = enable && done_word && supply && !(word_valid && word_last) && !finishing && !bit_finish;
    wire        load_last = ahead_valid ? ahead_last : pending_last;

    // One word may wait, in `ahead` or on its way out of the memory.
    wire room = load ? !(ahead_valid && pending) : !supply;

    assign read    = left != 0 && room;
    assign raddr   = next_addr;
    assign fetched = read && left == 1;
    assign idle    = !active;

    wire        last_bit = enable && word_valid && word_last && rest == 0;
    assign      ending = last_bit && wants_finish;
    reg [31:0]  onehot;
    reg         bit_valid;
    reg [RW-1:0] bit_base;
    wire [4:0]  bit_index;

    lowest_bit encoder (.onehot(onehot), .index(bit_index));

    always @(posedge clk) begin
        if (rst) begin
            left        <= 0;
            pending     <= 1'b0;
            ahead_valid <= 1'b0;
            word_valid  <= 1'b0;
            active      <= 1'b0;
            finishing   <= 1'b0;
            bit_valid   <= 1'b0;
            bit_finish  <= 1'b0;
            token       <= 1'b0;
            finish      <= 1'b0;
        end else begin
            if (start) begin
                left         <= words;
                next_addr    <= first_word;
                word_base    <= base - 32;
                wants_finish <= ends_row;
                active       <= 1'b1;
            end else if (read) begin
                left      <= left - 1'b1;
                next_addr <= next_addr + 1'b1;
            end
            pending      <= read;
            pending_last <= left == 1;

            if (pending && (ahead_valid || !load)) begin
                ahead       <= rdata;
                ahead_last  <= pending_last;
                ahead_valid <= 1'b1;
            end else if (load) begin
                ahead_valid <= 1'b0;
            end

            if (load) begin
                word       <= ahead_valid ? ahead : rdata;
                word_last  <= load_last;
                word_valid <= 1'b1;
                word_base  <= word_base + 32;
            end else if (enable) begin
                word <= rest;
                if (last_bit) word_valid <= 1'b0;
            end

            if (enable) begin
                finishing <= ending;
                if (last_bit) active <= 1'b0;

                onehot     <= word & (~word + 1'b1);
                bit_valid  <= word_valid && word != 0;
                bit_base   <= word_base;
                bit_finish <= finishing;

                token      <= bit_valid;
                token_row  <= bit_base + {{(RW-5){1'b0}}, bit_index};
                finish     <= bit_finish;
            end
        end
    end
endmodule
