// Takes the bitmap words of rows apart: the set bits of each, lowest first, one per cycle. Per bit a token
// with its weight row; behind the last one of a row (or of one of its bit planes) a `finish`.
module walk #(
    parameter RW = 11  // bits of a weight row
) (
    input  wire          clk,
    input  wire          rst,
    input  wire          enable,    // 0 freezes
    input  wire          valid,
    output wire          ready,
    input  wire [RW+36:0] head,     // {row of bit 0, ends, more, fresh, last, first, bits}
    output wire          busy,
    // tokens, registered
    output reg           token,
    output reg  [RW-1:0] token_row,
    output reg           finish,
    output reg  [3:0]    finish_marks // {more, fresh, last, first}
);
    reg [31:0]   word;
    reg          here, ends;
    reg [3:0]    marks;
    reg [RW-1:0] base;
    wire [31:0]  rest = word & (word - 1'b1);
    wire         done = !here || (ends ? word == 0 : rest == 0);

    assign ready = enable && done;

    reg [31:0]   onehot;
    reg          bit_valid, bit_finish;
    reg [3:0]    bit_marks;
    reg [RW-1:0] bit_base;
    wire [4:0]   bit_index;

    lowest_bit encoder (.onehot(onehot), .index(bit_index));

    assign busy = here || bit_valid || bit_finish || token || finish;

    always @(posedge clk) begin
        if (rst) begin
            here       <= 1'b0;
            bit_valid  <= 1'b0;
            bit_finish <= 1'b0;
            token      <= 1'b0;
            finish     <= 1'b0;
        end else if (enable) begin
            if (done) here <= valid;
            bit_valid  <= here && word != 0;
            bit_finish <= here && word == 0 && ends;
            token      <= bit_valid;
            finish     <= bit_finish;
        end
        if (enable) begin
            if (done) {base, ends, marks, word} <= head;
            else word <= rest;
            onehot       <= word & (~word + 1'b1);
            bit_base     <= base;
            bit_marks    <= marks;
            token_row    <= bit_base + {{(RW-5){1'b0}}, bit_index};
            finish_marks <= bit_marks;
        end
    end
endmodule
