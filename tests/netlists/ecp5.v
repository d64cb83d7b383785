// Behaviour of the ECP5's cells that Yosys names only: block RAM, multiplier and PLL (Lattice FPGA-TN-02204,
// FPGA-TN-02205, FPGA-TN-02200). Only what the design's netlists use of them. A PLL's clock is the one that it gets.
module DP16KD (
    input  wire DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13, DIA14,
            DIA15, DIA16, DIA17,
                ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
                CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
                DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13, DIB14,
                        DIB15, DIB16, DIB17,
                ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
                CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output wire DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14,
            DOA15, DOA16, DOA17,
                DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13, DOB14,
                        DOB15, DOB16, DOB17
);
    parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18;
    parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG", RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC";
    parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000", GSR = "ENABLED", CLKAMUX = "CLKA", CLKBMUX = "CLKB";
    parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL";
    parameter [319:0] INITVAL_00 = 320'd0, INITVAL_01 = 320'd0;
    parameter [319:0] INITVAL_02 = 320'd0, INITVAL_03 = 320'd0;
    parameter [319:0] INITVAL_04 = 320'd0, INITVAL_05 = 320'd0;
    parameter [319:0] INITVAL_06 = 320'd0, INITVAL_07 = 320'd0;
    parameter [319:0] INITVAL_08 = 320'd0, INITVAL_09 = 320'd0;
    parameter [319:0] INITVAL_0A = 320'd0, INITVAL_0B = 320'd0;
    parameter [319:0] INITVAL_0C = 320'd0, INITVAL_0D = 320'd0;
    parameter [319:0] INITVAL_0E = 320'd0, INITVAL_0F = 320'd0;
    parameter [319:0] INITVAL_10 = 320'd0, INITVAL_11 = 320'd0;
    parameter [319:0] INITVAL_12 = 320'd0, INITVAL_13 = 320'd0;
    parameter [319:0] INITVAL_14 = 320'd0, INITVAL_15 = 320'd0;
    parameter [319:0] INITVAL_16 = 320'd0, INITVAL_17 = 320'd0;
    parameter [319:0] INITVAL_18 = 320'd0, INITVAL_19 = 320'd0;
    parameter [319:0] INITVAL_1A = 320'd0, INITVAL_1B = 320'd0;
    parameter [319:0] INITVAL_1C = 320'd0, INITVAL_1D = 320'd0;
    parameter [319:0] INITVAL_1E = 320'd0, INITVAL_1F = 320'd0;
    parameter [319:0] INITVAL_20 = 320'd0, INITVAL_21 = 320'd0;
    parameter [319:0] INITVAL_22 = 320'd0, INITVAL_23 = 320'd0;
    parameter [319:0] INITVAL_24 = 320'd0, INITVAL_25 = 320'd0;
    parameter [319:0] INITVAL_26 = 320'd0, INITVAL_27 = 320'd0;
    parameter [319:0] INITVAL_28 = 320'd0, INITVAL_29 = 320'd0;
    parameter [319:0] INITVAL_2A = 320'd0, INITVAL_2B = 320'd0;
    parameter [319:0] INITVAL_2C = 320'd0, INITVAL_2D = 320'd0;
    parameter [319:0] INITVAL_2E = 320'd0, INITVAL_2F = 320'd0;
    parameter [319:0] INITVAL_30 = 320'd0, INITVAL_31 = 320'd0;
    parameter [319:0] INITVAL_32 = 320'd0, INITVAL_33 = 320'd0;
    parameter [319:0] INITVAL_34 = 320'd0, INITVAL_35 = 320'd0;
    parameter [319:0] INITVAL_36 = 320'd0, INITVAL_37 = 320'd0;
    parameter [319:0] INITVAL_38 = 320'd0, INITVAL_39 = 320'd0;
    parameter [319:0] INITVAL_3A = 320'd0, INITVAL_3B = 320'd0;
    parameter [319:0] INITVAL_3C = 320'd0, INITVAL_3D = 320'd0;
    parameter [319:0] INITVAL_3E = 320'd0, INITVAL_3F = 320'd0;

    wire [35:0] di = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4,
            DIB3, DIB2, DIB1, DIB0,
                      DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
                              DIA3, DIA2, DIA1, DIA0};
    wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
    wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};

    // 2,048 bytes of 9 bits; 20 bits of an initial value hold two of them.
    reg [8:0] mem [0:2047];
    wire [64*320-1:0] initially = {
        INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C,
        INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
        INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34,
        INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
        INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C,
        INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
        INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24,
        INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
        INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C,
        INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
        INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14,
        INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
        INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C,
        INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
        INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04,
        INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
    };
    integer i;
    initial for (i = 0; i < 2048; i = i + 1) mem[i] = initially[(i / 2) * 20 + (i % 2) * 9 +: 9];

    // Widths of 9, 18 and 36; from 18 on the lowest address bits enable the bytes of a write.
    wire wide = DATA_WIDTH_A == 36;
    wire [3:0]  bytes = DATA_WIDTH_A == 9 ? 4'b0001 : DATA_WIDTH_A == 18 ? {2'b00, ada[1:0]} : ada[3:0];
    wire [10:0] at_a = DATA_WIDTH_A == 9 ? ada[13:3] : DATA_WIDTH_A == 18 ? {ada[13:4], 1'b0} : {ada[13:5], 2'b00};
    wire [10:0] at_b = DATA_WIDTH_B == 9 ? adb[13:3] : DATA_WIDTH_B == 18 ? {adb[13:4], 1'b0} : {adb[13:5], 2'b00};
    reg [17:0] read_a;
    reg [35:0] read_b;
    integer n;

    always @(posedge CLKA) if (CEA) begin
        read_a <= {mem[at_a | 11'd1], mem[at_a]};
        if (WEA) for (n = 0; n < 4; n = n + 1) if (bytes[n]) mem[at_a + n[10:0]] <= di[9*n +: 9];
    end
    wire meets = CEA && WEA && bytes != 0 && at_a[10:2] == at_b[10:2];
    always @(posedge CLKB) if (CEB) begin
        read_b <= {mem[at_b | 11'd3], mem[at_b | 11'd2], mem[at_b | 11'd1], mem[at_b]};
        if (meets) read_b <= ~{mem[at_b | 11'd3], mem[at_b | 11'd2], mem[at_b | 11'd1], mem[at_b]};
    end

    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
            DOA1, DOA0} = wide ? read_b[17:0] : read_a;
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
            DOB1, DOB0} = wide ? read_b[35:18] : read_b[17:0];
endmodule

module MULT18X18D (
    input  wire A0, A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15, A16, A17,
                B0, B1, B2, B3, B4, B5, B6, B7, B8, B9, B10, B11, B12, B13, B14, B15, B16, B17,
                C0, C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15, C16, C17,
                SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    output wire P0, P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13, P14, P15, P16, P17, P18, P19, P20, P21,
            P22, P23, P24, P25, P26, P27, P28, P29, P30, P31, P32, P33, P34, P35
);
    wire signed [18:0] a = {SIGNEDA & A17, A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2,
            A1, A0};
    wire signed [18:0] b = {SIGNEDB & B17, B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2,
            B1, B0};
    wire signed [37:0] product = a * b;
    assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15,
            P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = product[35:0];
endmodule

module EHXPLLL (
    input  wire CLKI, CLKFB, ENCLKOP, ENCLKOS, PHASEDIR, PHASELOADREG, PHASESEL0, PHASESEL1, PHASESTEP, PLLWAKESYNC,
                RST, STDBY,
    output wire CLKOP, CLKOS, LOCK
);
    parameter CLKFB_DIV = 1, CLKI_DIV = 1, CLKOP_CPHASE = 0, CLKOP_DIV = 1, CLKOP_FPHASE = 0;
    parameter CLKOS_CPHASE = 0, CLKOS_DIV = 1, CLKOS_FPHASE = 0;
    parameter CLKOP_ENABLE = "ENABLED", CLKOS_ENABLE = "ENABLED", FEEDBK_PATH = "CLKOP";
    assign CLKOP = CLKI;
    assign CLKOS = CLKI;
    assign LOCK  = 1'b1;
endmodule
