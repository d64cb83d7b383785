// Keeps the input of a step, and gives it as often as it is held, while that of the next one comes: two bitmaps.
module held_input #(
    parameter WORDS = 512,          // of a bitmap, at most
    parameter AW    = 10,
    parameter WW    = $clog2(WORDS)
) (
    input  wire          clk,
    input  wire          rst,
    input  wire          in_valid,
    output wire          in_ready,
    // verilator lint_off UNUSEDSIGNAL
    input  wire [AW-1:0] in_addr,   // inputs are bitmaps only; values lie above them
    // verilator lint_on UNUSEDSIGNAL
    input  wire [31:0]   in_data,
    input  wire          in_first,
    input  wire          in_last,
    input  wire [7:0]    in_more,   // steps that take the same, after this one
    output reg           out_valid,
    input  wire          out_ready,
    output wire [AW-1:0] out_addr,
    output wire [31:0]   out_data,
    output wire          out_first,
    output wire          out_last
);
    reg          filling, giving;   // which of the two
    reg [1:0]    full, first;
    reg [7:0]    more0, more1;
    reg [WW-1:0] last0, last1, at;
    wire [7:0]   more = giving ? more1 : more0;
    wire         keep = in_valid && in_ready;
    wire         gone = out_valid && out_ready;

    assign in_ready  = !full[filling];
    assign out_first = first[giving];
    assign out_last  = at == (giving ? last1 : last0);
    assign out_addr  = {{(AW-WW){1'b0}}, at};

    ram #(.WIDTH(32), .DEPTH(2 * WORDS)) bitmaps (
        .clk(clk), .we(keep), .waddr({filling, in_addr[WW-1:0]}), .wdata(in_data),
        .re(1'b1), .raddr({giving, at}), .rdata(out_data)
    );

    always @(posedge clk) begin
        if (keep) begin
            first[filling] <= in_first;
            if (in_last) begin
                full[filling] <= 1'b1;
                filling       <= !filling;
            end
            if (filling) {more1, last1} <= {in_more, in_addr[WW-1:0]};
            else {more0, last0} <= {in_more, in_addr[WW-1:0]};
        end
        out_valid <= full[giving] && !gone;
        if (gone) begin
            at <= out_last ? {WW{1'b0}} : at + 1'b1;
            if (out_last) begin
                first[giving] <= 1'b0;
                if (giving) more1 <= more - 1'b1;
                else more0 <= more - 1'b1;
                if (more == 0) begin
                    full[giving] <= 1'b0;
                    giving       <= !giving;
                end
            end
        end
        if (rst) begin
            filling   <= 1'b0;
            giving    <= 1'b0;
            full      <= 2'b00;
            out_valid <= 1'b0;
            at        <= 0;
        end
    end
endmodule
