// Where there are spikes: for every byte of the bitmaps whether it has any, the sixteen bytes from any word on at once.
module spots #(
    parameter PW = 10                      // bits of a word's address, {parity, word}
) (
    input  wire          clk,
    input  wire          we,
    input  wire [PW-1:0] waddr,
    input  wire [31:0]   wdata,
    input  wire          re,
    input  wire [PW-1:0] raddr,
    output wire [15:0]   there             // one cycle later
);
    wire [3:0]  some = {wdata[31:24] != 0, wdata[23:16] != 0, wdata[15:8] != 0, wdata[7:0] != 0};
    wire [15:0] banks;                     // the word's place within four is its bank
    wire [3:0]  behind = {1'b0, &raddr[1:0], raddr[1], |raddr[1:0]}; // its word is the one of the next four
    reg  [1:0]  first;
    wire [31:0] twice = {banks, banks};

    assign there = twice[4*first +: 16];
    always @(posedge clk) if (re) first <= raddr[1:0];

    genvar b;
    generate
        for (b = 0; b < 4; b = b + 1) begin : bank
            wire [PW-4:0] row = raddr[PW-2:2] + {{(PW-4){1'b0}}, behind[b]};
            ram #(.WIDTH(4), .DEPTH(1 << (PW - 2))) memory (
                .clk(clk), .we(we && waddr[1:0] == b), .waddr(waddr[PW-1:2]), .wdata(some),
                .re(re), .raddr({raddr[PW-1], row}), .rdata(banks[4*b +: 4])
            );
        end
    endgenerate
endmodule
