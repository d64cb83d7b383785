// The controller and the registers at its pins, parameters filled in.
module memory (
    input  wire        clk,
    input  wire        rst,
    input  wire        valid,
    output wire        ready,
    input  wire        write,
    input  wire [31:0] addr,
    input  wire [31:0] wdata,
    output wire        got,
    output wire [31:0] data,
    output wire [2:0]  sdram_command,
    output wire [1:0]  sdram_bank,
    output wire [12:0] sdram_address,
    output wire        sdram_mask,
    output wire [31:0] sdram_out,
    output wire [31:0] sdram_floats,
    input  wire [31:0] sdram_in
);
    wire             mask, dq_drive;
    wire [2:0]       command;
    wire [1:0]       bank;
    wire [`PINS-1:0] address, pin_address;
    wire [`DATA-1:0] dq_out, dq_in, pin_out, pin_floats;

    assign sdram_address = pin_address;
    assign sdram_out     = pin_out;
    assign sdram_floats  = pin_floats;

    sdram_`NUMBER #(`RTL) controller (
        .clk(clk), .rst(rst), .valid(valid), .ready(ready), .write(write), .addr(addr[`AW-1:0]), .wdata(wdata),
        .got(got), .data(data), .command(command), .bank(bank), .address(address), .mask(mask),
        .dq_out(dq_out), .dq_drive(dq_drive), .dq_in(dq_in)
    );
    sdram_pins #(.DATA(`DATA), .BANKS(2), .PINS(`PINS)) pins (
        .clk(clk), .command(command), .bank(bank), .address(address), .mask(mask), .dq_out(dq_out), .dq_drive(dq_drive),
        .dq_in(dq_in), .sdram_command(sdram_command), .sdram_bank(sdram_bank), .sdram_address(pin_address),
        .sdram_mask(sdram_mask), .sdram_out(pin_out), .sdram_floats(pin_floats), .sdram_in(sdram_in[`DATA-1:0])
    );
endmodule
