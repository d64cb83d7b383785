// The bits `low` to `high` of a word, or none: one cycle. Looked up in block RAMs, which would lie idle.
module run_mask (
    input  wire        clk,
    input  wire        enable,
    input  wire        none,
    input  wire [4:0]  low,
    input  wire [4:0]  high,
    output wire [31:0] mask
);
    (* rom_style = "block" *)
    reg [31:0] above [0:63];
    (* rom_style = "block" *)
    reg [31:0] below [0:31];
    reg [31:0] from, to;
    integer i;

    initial begin
        for (i = 0; i < 64; i = i + 1) above[i] = i < 32 ? 32'hFFFFFFFF << i : 32'd0;
        for (i = 0; i < 32; i = i + 1) below[i] = 32'hFFFFFFFF >> (31 - i);
    end

    assign mask = from & to;

    always @(posedge clk) if (enable) begin
        from <= above[{none, low}];
        to   <= below[high];
    end
endmodule
