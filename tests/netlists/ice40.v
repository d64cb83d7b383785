// Behaviour of the iCE40's PLL, which Yosys names only: the clock is the one that it is given.
module SB_PLL40_PAD (
    input  wire PACKAGEPIN, RESETB, BYPASS,
    output wire PLLOUTGLOBAL, LOCK
);
    parameter FEEDBACK_PATH = "SIMPLE", DIVR = 0, DIVF = 0, DIVQ = 0, FILTER_RANGE = 0;
    assign PLLOUTGLOBAL = PACKAGEPIN;
    assign LOCK = 1'b1;
endmodule
