// The controller with a chip at its pins: requests out of a file (idle cycles before it, write, address, data), what is
// read on standard output. `RTL` and `CHIP` are the parameters of both.
`timescale 1ps / 1ps
`include "parameters.vh"
module memory_bench;
    reg clk = 1'b0, rst = 1'b1;
    always #(`PERIOD / 2) clk = !clk;

    reg               valid = 1'b0, write;
    reg  [31:0]       addr, wdata;
    wire              ready, got, mask, dq_drive, pin_mask;
    wire [31:0]       data;
    wire [2:0]        command, pin_command;
    wire [1:0]        bank, pin_bank;
    wire [`PINS-1:0]  address, pin_address;
    wire [`DATA-1:0]  dq_out, dq_in, pin_out, pin_floats, dq;

    sdram #(`RTL) controller (
        .clk(clk), .rst(rst), .valid(valid), .ready(ready), .write(write), .addr(addr[`AW-1:0]), .wdata(wdata),
        .got(got), .data(data), .command(command), .bank(bank), .address(address), .mask(mask),
        .dq_out(dq_out), .dq_drive(dq_drive), .dq_in(dq_in)
    );
    sdram_pins #(.DATA(`DATA), .BANKS(2), .PINS(`PINS)) pins (
        .clk(clk), .command(command), .bank(bank), .address(address), .mask(mask), .dq_out(dq_out), .dq_drive(dq_drive),
        .dq_in(dq_in), .sdram_command(pin_command), .sdram_bank(pin_bank), .sdram_address(pin_address),
        .sdram_mask(pin_mask), .sdram_out(pin_out), .sdram_floats(pin_floats), .sdram_in(dq)
    );
    assign dq = pin_floats[0] ? {`DATA{1'bz}} : pin_out;
    sdram_chip #(`CHIP) chip (
        .clk(!clk), .command(pin_command), .bank(pin_bank), .address(pin_address), .mask(pin_mask),
        .floats(pin_floats[0]), .dq(dq)
    );

    reg [31:0] requests [0:4*`COUNT-1];
    integer    n, asked = 0, answered = 0;

    always @(posedge clk) if (got) begin
        $display("%08x", data);
        answered = answered + 1;
    end

    initial begin
        $readmemh("requests.hex", requests);
        repeat (4) @(posedge clk);
        rst <= 1'b0;
        for (n = 0; n < `COUNT; n = n + 1) begin
            repeat (requests[4*n]) @(posedge clk);
            valid <= 1'b1;
            write <= requests[4*n+1][0];
            addr  <= requests[4*n+2];
            wdata <= requests[4*n+3];
            @(posedge clk);
            while (!ready) @(posedge clk);
            valid <= 1'b0;
            if (!requests[4*n+1][0]) asked = asked + 1;
        end
        while (answered < asked) @(posedge clk);
        $display("END");
        $finish;
    end
endmodule
