// The one port of the external memory for those in the player who use it. Reads come back in order: whose each one is, is
// kept until it does. The writer comes first, then the readers by their numbers.
module memory_share #(
    parameter AW = 21
) (
    input  wire            clk,
    input  wire            rst,
    output wire            busy,        // something is on its way
    input  wire            waits,       // a request is, that was taken
    // the writer
    input  wire            write_valid,
    output wire            write_ready,
    input  wire [AW-1:0]   write_at,
    input  wire [31:0]     write_data,
    // readers: words owed to all of them are 48 at most
    input  wire [2:0]      ask,
    input  wire [3*AW-1:0] ask_at,
    output wire [2:0]      asked,
    output wire [2:0]      arrives,
    output reg  [31:0]     data,
    // memory
    output wire            mem_valid,
    input  wire            mem_ready,
    output wire            mem_write,
    output wire [AW-1:0]   mem_addr,
    output wire [31:0]     mem_wdata,
    input  wire            mem_got,
    input  wire [31:0]     mem_data
);
    wire          room;
    wire [1:0]    whose;
    wire [6:0]    owed;
    reg           arrived;
    wire [1:0]    who = ask[0] ? 2'd0 : ask[1] ? 2'd1 : 2'd2;
    wire          reads = ask != 0 && !writes;
    wire [AW-1:0] read_at = ask_at[who*AW +: AW];

    // A write waits a cycle in a register, so that whether there is one is known early: readers' next steps depend on it.
    wire          writes;
    wire [AW-1:0] to;

    register_slice #(.WIDTH(AW + 32)) writer (
        .clk(clk), .rst(rst), .in_valid(write_valid), .in_ready(write_ready), .in({write_at, write_data}),
        .out_valid(writes), .out_ready(room), .out({to, mem_wdata})
    );

    assign asked     = reads && room ? 3'd1 << who : 3'd0;
    assign arrives   = arrived ? 3'd1 << whose : 3'd0;
    assign busy      = owed != 0 || waits || mem_valid || write_valid;
    assign room      = mem_ready;
    assign mem_valid = writes || reads;
    assign mem_write = writes;
    assign mem_addr  = writes ? to : read_at;

    // A word takes longer than its reader's number to come.
    // verilator lint_off PINCONNECTEMPTY
    fifo #(.WIDTH(2), .DEPTH(64)) readers (
        .clk(clk), .rst(rst), .push(reads && room), .din(who), .valid(), .ready(arrived), .dout(whose), .level(owed)
    );
    // verilator lint_on PINCONNECTEMPTY

    always @(posedge clk) begin
        arrived <= mem_got && !rst;
        data    <= mem_data;
    end
endmodule
