// Words of the external memory from an address upwards, asked for ahead of their use.
module word_reader #(
    parameter AW    = 21,
    parameter DEPTH = 16            // words asked for and not yet taken, at most
) (
    input  wire          clk,
    input  wire          rst,       // what is on its way then is not told by `arrives`
    input  wire          start,     // from now on, words from there; those read ahead are forgotten
    input  wire [AW-1:0] from,
    input  wire [5:0]    count,     // so many words are wanted; 0: nobody knows how many
    input  wire          stop,      // nothing more is asked for
    // memory
    output wire          ask,
    output reg  [AW-1:0] at,
    input  wire          asked,
    input  wire          arrives,
    input  wire [31:0]   data,
    // words, from the cycle after `start` on those that it means
    output wire          valid,
    input  wire          ready,
    output wire [31:0]   word
);
    localparam CW = $clog2(DEPTH) + 1;

    reg          going, forgets;    // what was asked for before is still on its way
    reg          room;              // for another word, whether one is asked for in the cycle before or not
    reg [5:0]    left;              // words wanted
    reg [CW-1:0] away, owed;        // words on their way, and those with the ones that wait here
    wire         taken = valid && ready;
    wire         waits;

    assign ask   = going && !forgets && room;
    assign valid = waits && !forgets;

    // verilator lint_off PINCONNECTEMPTY
    fifo #(.WIDTH(32), .DEPTH(DEPTH)) ahead (
        .clk(clk), .rst(rst || forgets), .push(arrives), .din(data), .valid(waits), .ready(taken), .dout(word), .level()
    );
    // verilator lint_on PINCONNECTEMPTY

    always @(posedge clk) begin
        if (start) {at, left} <= {from, count};
        else if (asked) {at, left} <= {at + 1'b1, left - {5'd0, left != 0}};
        room <= owed < DEPTH[CW-1:0] - 1'b1;
        away <= away + {{(CW-1){1'b0}}, asked} - {{(CW-1){1'b0}}, arrives};
        owed <= forgets ? {CW{1'b0}} : owed + {{(CW-1){1'b0}}, asked} - {{(CW-1){1'b0}}, taken};
        if (start || stop) {going, forgets} <= {start, 1'b1};
        else begin
            if (away == 0) forgets <= 1'b0;
            if (asked && left == 1) going <= 1'b0;
        end
        if (rst) begin
            {going, forgets} <= 2'b01;
            away <= 0;
        end
    end
endmodule
