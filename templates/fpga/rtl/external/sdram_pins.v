// The registers at an SDRAM's pins. The chip's clock is `clk` inverted: what leaves here with a rising edge is taken by
// the chip half a cycle later, and what the chip gives is sampled with the falling edge by which it gives the next. From
// there it has a whole cycle to the next register, wherever that is, and half a one to the rising edge.
// (Families have such registers in their pins: templates `board/_sdram_pins_FAMILY.j2` stand in the place of this.)
module sdram_pins #(
    parameter DATA  = 32,
    parameter BANKS = 2,
    parameter PINS  = 11
) (
    input  wire             clk,
    input  wire [2:0]       command,
    input  wire [BANKS-1:0] bank,
    input  wire [PINS-1:0]  address,
    input  wire             mask,
    input  wire [DATA-1:0]  dq_out,
    input  wire             dq_drive,
    output reg  [DATA-1:0]  dq_in,
    // pins
    output reg  [2:0]       sdram_command,  // RAS, CAS, WE, all active low
    output reg  [BANKS-1:0] sdram_bank,
    output reg  [PINS-1:0]  sdram_address,
    output reg              sdram_mask,
    output reg  [DATA-1:0]  sdram_out,
    output reg  [DATA-1:0]  sdram_floats,   // not driven: all of them, or none
    input  wire [DATA-1:0]  sdram_in
);
    reg [DATA-1:0] sampled, held;

    initial begin
        sdram_command = 3'b111;
        sdram_mask    = 1'b1;
        sdram_floats  = {DATA{1'b1}};
    end

    always @(negedge clk) begin
        sampled <= sdram_in;
        held    <= sampled;
    end

    always @(posedge clk) begin
        sdram_command <= command;
        sdram_bank    <= bank;
        sdram_address <= address;
        sdram_mask    <= mask;
        sdram_out     <= dq_out;
        sdram_floats  <= {DATA{!dq_drive}};
        dq_in         <= held;
    end
endmodule
