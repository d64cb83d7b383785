// The device between its pins, driven from standard input: "W", a count of two bytes, so many bytes for the receiver;
// "R": a line with all that was sent meanwhile, in hexadecimal, as soon as there is any or nothing comes any more.
// With memory beside the chip, `CHIP` are its parameters.
`timescale 1ns / 1ns
module bench;
    localparam DIVIDER = 4;       // clock cycles per bit
    localparam SILENCE = 200000;  // cycles
    localparam STDIN   = 32'h8000_0000;

    reg clk = 1'b0, rst = 1'b1, rx = 1'b1;
    wire tx;
    always #5 clk = !clk;

`ifdef CHIP
    wire [2:0]       pin_command;
    wire [1:0]       pin_bank;
    wire [`PINS-1:0] pin_address;
    wire             pin_mask;
    wire [`DATA-1:0] pin_out, pin_floats, dq;

    assign dq = pin_floats[0] ? {`DATA{1'bz}} : pin_out;

    sdram_chip #(`CHIP) chip (
        .clk(!clk), .command(pin_command), .bank(pin_bank), .address(pin_address), .mask(pin_mask),
        .floats(pin_floats[0]), .dq(dq)
    );
`endif

    serial_device device (
`ifdef CHIP
        .sdram_command(pin_command), .sdram_bank(pin_bank), .sdram_address(pin_address), .sdram_mask(pin_mask),
        .sdram_out(pin_out), .sdram_floats(pin_floats), .sdram_in(dq),
`endif
        .clk(clk), .clk_cores(clk), .rst(rst), .divider(16'd4), .rx(rx), .tx(tx), .active(), .awake()
    );

    // ---------------------------------------------------------------- from the device
    reg [7:0] came [0:65535];
    reg [7:0] data;
    integer   head = 0, tail = 0, i;

    initial forever begin
        @(negedge tx);
        if (!rst) begin
            repeat (DIVIDER + DIVIDER / 2) @(posedge clk);
            for (i = 0; i < 8; i = i + 1) begin
                data[i] = tx;
                repeat (DIVIDER) @(posedge clk);
            end
            came[head % 65536] = data;
            head = head + 1;
        end
    end

    // ---------------------------------------------------------------- to the device
    task send(input [7:0] value);
        integer n;
        begin
            rx = 1'b0;
            repeat (DIVIDER) @(posedge clk);
            for (n = 0; n < 8; n = n + 1) begin
                rx = value[n];
                repeat (DIVIDER) @(posedge clk);
            end
            rx = 1'b1;
            repeat (DIVIDER) @(posedge clk);
        end
    endtask

    integer command, count, low, waited;
    initial begin
        repeat (20) @(posedge clk);
        rst = 1'b0;
        repeat (20) @(posedge clk);
        command = $fgetc(STDIN);
        while (command != -1) begin
            if (command == "W") begin
                low = $fgetc(STDIN);
                count = low + 256 * $fgetc(STDIN);
                while (count > 0) begin
                    send($fgetc(STDIN));
                    count = count - 1;
                end
            end else begin
                waited = 0;
                while (head == tail && waited < SILENCE) begin
                    @(posedge clk);
                    waited = waited + 1;
                end
                while (tail < head) begin
                    $write("%02x", came[tail % 65536]);
                    tail = tail + 1;
                end
                $write("\n");
                $fflush;
            end
            command = $fgetc(STDIN);
        end
        $finish;
    end
endmodule
