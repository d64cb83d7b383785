// Takes the bitmap words of rows apart: the set bits of each, lowest first, one per cycle. Per bit a token
// with its weight row; with the last one of a pass, or alone where that has none, a `finish` (where BEHIND, always a cycle
// after the last one).
module walk #(
    parameter RW = 11,       // bits of a weight row
    parameter MK = 4,        // marks of a pass
    parameter BEHIND = 0
) (
    input  wire          clk,
    input  wire          rst,
    input  wire          enable,    // 0 freezes
    input  wire          valid,
    output wire          ready,
    input  wire [RW+MK+32:0] head,  // as `segments` gives it
    output wire          busy,
    // In the next cycle, where `enable`, there is a token, with its weight row.
    output wire          token_next,
    output wire [RW-1:0] row_next,
    output reg           finish,
    output reg  [MK-1:0] finish_marks // {kind, more, fresh, last, first}
);
    reg [31:0]   word;
    reg          here, ends;
    reg [MK-1:0] marks;
    reg [RW-1:0] base;
    wire [31:0]  lowest = word & (~word + 1'b1);
    wire [31:0]  rest = BEHIND != 0 ? word & (word - 1'b1) : word & ~lowest;

    // Whether there is a bit, and whether there are several, by fours: known long before the lowest one is found.
    wire [7:0]   any, many;
    wire [1:0]   some, multiple;
    wire         empty = !some[0] && !some[1];
    wire         several = many != 0 || multiple != 0 || (some[0] && some[1]);
    wire         done = !here || (BEHIND != 0 && ends ? empty : !several);
    wire         over = here && ends && done;  // the pass

    genvar n;
    generate
        for (n = 0; n < 8; n = n + 1) begin : nibble
            assign any[n] = word[4*n +: 4] != 0;
            assign many[n] = two(word[4*n +: 4]);
        end
        for (n = 0; n < 2; n = n + 1) begin : half
            assign some[n] = any[4*n +: 4] != 0;
            assign multiple[n] = two(any[4*n +: 4]);
        end
    endgenerate

    function two(input [3:0] bits);
        two = (bits[0] && bits[3:1] != 0) || (bits[1] && bits[3:2] != 0) || (bits[2] && bits[3]);
    endfunction

    assign ready = enable && done;

    localparam BITS = 34 + MK + RW;            // {valid, finish, marks, base, one-hot}
    wire [BITS-1:0] found;
    wire         bit_valid, bit_finish;
    wire [MK-1:0] bit_marks;
    wire [RW-1:0] bit_base;
    // verilator lint_off UNUSEDSIGNAL
    wire [31:0]  onehot;
    // verilator lint_on UNUSEDSIGNAL
    wire [4:0]   bit_index;

    stage #(.WIDTH(BITS)) between (
        .clk(clk), .enable(enable || rst),
        .in({!rst && here && !empty, !rst && over, marks, base, lowest}), .out(found)
    );
    assign {bit_valid, bit_finish, bit_marks, bit_base, onehot} = found;

    // Compact: out of the first four that have a bit, which takes longer than out of one bit.
    generate
        if (BEHIND != 0) begin : by_fours
            wire [2:0] among = some[0] ? any[2:0] : any[6:4];
            wire       later = !among[0] && !among[1];
            wire [2:0] bits = word[4*bit_index[4:2] +: 3];
            assign bit_index = {
                !some[0], later, later ? !among[2] : !among[0], bits[1:0] == 0, !bits[0] && (bits[1] || !bits[2])
            };
        end else begin : by_one
            lowest_bit encoder (.onehot(onehot), .index(bit_index));
        end
    endgenerate

    assign token_next = bit_valid;
    assign row_next   = bit_base + {{(RW-5){1'b0}}, bit_index};
    assign busy = here || bit_valid || bit_finish || finish;

    always @(posedge clk) begin
        if (rst) begin
            here   <= 1'b0;
            finish <= 1'b0;
        end else if (enable) begin
            if (done) here <= valid;
            finish <= bit_finish;
        end
        if (enable) begin
            if (done) {base, ends, marks, word} <= head;
            else word <= rest;
            finish_marks <= bit_marks;
        end
    end
endmodule
