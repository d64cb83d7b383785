// Behaviour of the Gowin cells that Yosys names only: block RAM and multiplier (Gowin UG285, UG287). Only what the
// design's netlists use of them: no output registers, no resets, blocks that are always selected.

// Initial values of a block RAM, 64 words of 288 bits.
`define INITIALLY \
    parameter [287:0] INIT_RAM_00 = 288'd0, INIT_RAM_01 = 288'd0; \
    parameter [287:0] INIT_RAM_02 = 288'd0, INIT_RAM_03 = 288'd0; \
    parameter [287:0] INIT_RAM_04 = 288'd0, INIT_RAM_05 = 288'd0; \
    parameter [287:0] INIT_RAM_06 = 288'd0, INIT_RAM_07 = 288'd0; \
    parameter [287:0] INIT_RAM_08 = 288'd0, INIT_RAM_09 = 288'd0; \
    parameter [287:0] INIT_RAM_0A = 288'd0, INIT_RAM_0B = 288'd0; \
    parameter [287:0] INIT_RAM_0C = 288'd0, INIT_RAM_0D = 288'd0; \
    parameter [287:0] INIT_RAM_0E = 288'd0, INIT_RAM_0F = 288'd0; \
    parameter [287:0] INIT_RAM_10 = 288'd0, INIT_RAM_11 = 288'd0; \
    parameter [287:0] INIT_RAM_12 = 288'd0, INIT_RAM_13 = 288'd0; \
    parameter [287:0] INIT_RAM_14 = 288'd0, INIT_RAM_15 = 288'd0; \
    parameter [287:0] INIT_RAM_16 = 288'd0, INIT_RAM_17 = 288'd0; \
    parameter [287:0] INIT_RAM_18 = 288'd0, INIT_RAM_19 = 288'd0; \
    parameter [287:0] INIT_RAM_1A = 288'd0, INIT_RAM_1B = 288'd0; \
    parameter [287:0] INIT_RAM_1C = 288'd0, INIT_RAM_1D = 288'd0; \
    parameter [287:0] INIT_RAM_1E = 288'd0, INIT_RAM_1F = 288'd0; \
    parameter [287:0] INIT_RAM_20 = 288'd0, INIT_RAM_21 = 288'd0; \
    parameter [287:0] INIT_RAM_22 = 288'd0, INIT_RAM_23 = 288'd0; \
    parameter [287:0] INIT_RAM_24 = 288'd0, INIT_RAM_25 = 288'd0; \
    parameter [287:0] INIT_RAM_26 = 288'd0, INIT_RAM_27 = 288'd0; \
    parameter [287:0] INIT_RAM_28 = 288'd0, INIT_RAM_29 = 288'd0; \
    parameter [287:0] INIT_RAM_2A = 288'd0, INIT_RAM_2B = 288'd0; \
    parameter [287:0] INIT_RAM_2C = 288'd0, INIT_RAM_2D = 288'd0; \
    parameter [287:0] INIT_RAM_2E = 288'd0, INIT_RAM_2F = 288'd0; \
    parameter [287:0] INIT_RAM_30 = 288'd0, INIT_RAM_31 = 288'd0; \
    parameter [287:0] INIT_RAM_32 = 288'd0, INIT_RAM_33 = 288'd0; \
    parameter [287:0] INIT_RAM_34 = 288'd0, INIT_RAM_35 = 288'd0; \
    parameter [287:0] INIT_RAM_36 = 288'd0, INIT_RAM_37 = 288'd0; \
    parameter [287:0] INIT_RAM_38 = 288'd0, INIT_RAM_39 = 288'd0; \
    parameter [287:0] INIT_RAM_3A = 288'd0, INIT_RAM_3B = 288'd0; \
    parameter [287:0] INIT_RAM_3C = 288'd0, INIT_RAM_3D = 288'd0; \
    parameter [287:0] INIT_RAM_3E = 288'd0, INIT_RAM_3F = 288'd0; \
    wire [64*288-1:0] initially = { \
        INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, \
        INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38, \
        INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, \
        INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30, \
        INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, \
        INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28, \
        INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, \
        INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20, \
        INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, \
        INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18, \
        INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, \
        INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10, \
        INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, \
        INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08, \
        INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, \
        INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00 \
    };

module SPX9 (
    output wire [35:0] DO,
    input  wire [35:0] DI,
    input  wire [2:0]  BLKSEL,
    input  wire [13:0] AD,
    input  wire        WRE, CLK, CE, OCE, RESET
);
    parameter BIT_WIDTH = 36, READ_MODE = 1'b0, WRITE_MODE = 2'b00, BLK_SEL = 3'b000, RESET_MODE = "SYNC";
    `INITIALLY
    reg [8:0] mem [0:2047];
    integer i, n;
    initial for (i = 0; i < 2048; i = i + 1) mem[i] = initially[9*i +: 9];

    wire [10:0] at    = BIT_WIDTH == 9 ? AD[13:3] : BIT_WIDTH == 18 ? {AD[13:4], 1'b0} : {AD[13:5], 2'b00};
    wire [3:0]  bytes = BIT_WIDTH == 9 ? 4'b0001 : BIT_WIDTH == 18 ? {2'b00, AD[1:0]} : AD[3:0];
    reg  [35:0] read;
    always @(posedge CLK) if (CE) begin
        if (WRE) for (n = 0; n < 4; n = n + 1) if (bytes[n]) mem[at + n[10:0]] <= DI[9*n +: 9];
        if (!WRE || WRITE_MODE == 2) read <= {mem[at | 11'd3], mem[at | 11'd2], mem[at | 11'd1], mem[at]};
        else if (WRITE_MODE == 1) read <= DI;
    end
    assign DO = read;
endmodule

module SDPX9B (
    input  wire        CLKA, CEA, CLKB, CEB, OCE, RESETA, RESETB,
    input  wire [13:0] ADA, ADB,
    input  wire [2:0]  BLKSELA, BLKSELB,
    input  wire [35:0] DI,
    output wire [35:0] DO
);
    parameter BIT_WIDTH_0 = 36, BIT_WIDTH_1 = 36, READ_MODE = 1'b0, BLK_SEL_0 = 3'b000, BLK_SEL_1 = 3'b000;
    parameter RESET_MODE = "SYNC";
    `INITIALLY
    reg [8:0] mem [0:2047];
    integer i, n;
    initial for (i = 0; i < 2048; i = i + 1) mem[i] = initially[9*i +: 9];

    wire [10:0] at_a  = BIT_WIDTH_0 == 9 ? ADA[13:3] : BIT_WIDTH_0 == 18 ? {ADA[13:4], 1'b0} : {ADA[13:5], 2'b00};
    wire [10:0] at_b  = BIT_WIDTH_1 == 9 ? ADB[13:3] : BIT_WIDTH_1 == 18 ? {ADB[13:4], 1'b0} : {ADB[13:5], 2'b00};
    wire [3:0]  bytes = BIT_WIDTH_0 == 9 ? 4'b0001 : BIT_WIDTH_0 == 18 ? {2'b00, ADA[1:0]} : ADA[3:0];
    wire [35:0] there = {mem[at_b | 11'd3], mem[at_b | 11'd2], mem[at_b | 11'd1], mem[at_b]};
    reg  [35:0] read;
    always @(posedge CLKA) if (CEA) for (n = 0; n < 4; n = n + 1) if (bytes[n]) mem[at_a + n[10:0]] <= DI[9*n +: 9];
    always @(posedge CLKB) if (CEB) read <= CEA && bytes != 0 && at_a[10:2] == at_b[10:2] ? ~there : there;
    assign DO = read;
endmodule

module DPX9B (
    input  wire        CLKA, CEA, CLKB, CEB, OCEA, OCEB, RESETA, RESETB, WREA, WREB,
    input  wire [13:0] ADA, ADB,
    input  wire [17:0] DIA, DIB,
    input  wire [2:0]  BLKSELA, BLKSELB,
    output wire [17:0] DOA, DOB
);
    parameter BIT_WIDTH_0 = 18, BIT_WIDTH_1 = 18, READ_MODE0 = 1'b0, READ_MODE1 = 1'b0;
    parameter WRITE_MODE0 = 2'b00, WRITE_MODE1 = 2'b00, BLK_SEL_0 = 3'b000, BLK_SEL_1 = 3'b000, RESET_MODE = "SYNC";
    `INITIALLY
    reg [8:0] mem [0:2047];
    integer i, n;
    initial for (i = 0; i < 2048; i = i + 1) mem[i] = initially[9*i +: 9];

    wire [10:0] at_a  = BIT_WIDTH_0 == 9 ? ADA[13:3] : {ADA[13:4], 1'b0};
    wire [10:0] at_b  = BIT_WIDTH_1 == 9 ? ADB[13:3] : {ADB[13:4], 1'b0};
    wire [1:0]  bytes = BIT_WIDTH_0 == 9 ? 2'b01 : ADA[1:0];
    wire [17:0] there = {mem[at_b | 11'd1], mem[at_b]};
    reg  [17:0] read_a, read_b;
    always @(posedge CLKA) if (CEA) begin
        if (WREA) for (n = 0; n < 2; n = n + 1) if (bytes[n]) mem[at_a + n[10:0]] <= DIA[9*n +: 9];
        read_a <= {mem[at_a | 11'd1], mem[at_a]};
    end
    always @(posedge CLKB) if (CEB) read_b <= CEA && WREA && bytes != 0 && at_a[10:1] == at_b[10:1] ? ~there : there;
    assign DOA = read_a;
    assign DOB = read_b;
endmodule

module MULT18X18 (
    input  wire [17:0] A, SIA, B, SIB,
    input  wire        ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output wire [35:0] DOUT,
    output wire [17:0] SOA, SOB
);
    parameter AREG = 1'b0, BREG = 1'b0, OUT_REG = 1'b0, PIPE_REG = 1'b0, ASIGN_REG = 1'b0, BSIGN_REG = 1'b0;
    parameter SOA_REG = 1'b0, MULT_RESET_MODE = "SYNC";
    wire signed [18:0] a = {ASIGN & A[17], A}, b = {BSIGN & B[17], B};
    wire signed [37:0] product = a * b;
    assign DOUT = product[35:0];
    assign SOA = A;
    assign SOB = B;
endmodule
