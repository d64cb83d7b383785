// The words of a gather list as the input of a step: there must be as many of them as an input has.
module play_input #(
    parameter AW = 10
) (
    input  wire          clk,
    input  wire          rst,
    input  wire [AW-1:0] words,     // of an input
    input  wire          first,     // the step is a sample's first
    // what was gathered
    input  wire          valid,
    output wire          ready,
    input  wire          whole,     // there is a word
    input  wire          ends,
    output wire          ended,     // pulses: the step's input is complete
    output wire          bad,
    // the input
    output wire          out_valid,
    input  wire          out_ready,
    output reg  [AW-1:0] out_addr,
    output wire          out_first,
    output wire          out_last
);
    reg  full;                      // all words have come
    wire given = out_valid && out_ready;

    assign out_valid = valid && whole && !full;
    assign out_first = first;
    assign out_last  = out_addr == words - 1'b1;
    assign ready     = !whole || out_ready;
    assign ended     = valid && ready && ends;
    assign bad       = valid && ((whole && full) || (ends && !full && !(whole && out_last)));

    always @(posedge clk) begin
        if (given) out_addr <= out_last ? {AW{1'b0}} : out_addr + 1'b1;
        if (ended) full <= 1'b0;
        else if (given && out_last) full <= 1'b1;
        if (rst) begin
            out_addr <= {AW{1'b0}};
            full     <= 1'b0;
        end
    end
endmodule
