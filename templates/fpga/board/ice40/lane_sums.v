// What two lanes have summed of their weights: the two adders of a multiplier with their registers, which would lie idle.
module lane_sums #(
    parameter WEIGHT_BITS = 8,
    parameter ACC_BITS    = 16   // at most 16
) (
    input  wire                     clk,
    input  wire                     enable,
    input  wire                     clear,
    input  wire [2*WEIGHT_BITS-1:0] weights,
    output wire [2*ACC_BITS-1:0]    sums
);
    wire [31:0] both;
    wire [15:0] first  = {{(16-WEIGHT_BITS){weights[WEIGHT_BITS-1]}}, weights[0 +: WEIGHT_BITS]};
    wire [15:0] second = {{(16-WEIGHT_BITS){weights[2*WEIGHT_BITS-1]}}, weights[WEIGHT_BITS +: WEIGHT_BITS]};

    assign sums = {both[16 +: ACC_BITS], both[0 +: ACC_BITS]};

    SB_MAC16 #(
        .TOPOUTPUT_SELECT(2'd1), .TOPADDSUB_LOWERINPUT(2'd0), .TOPADDSUB_UPPERINPUT(1'b0),
        .BOTOUTPUT_SELECT(2'd1), .BOTADDSUB_LOWERINPUT(2'd0), .BOTADDSUB_UPPERINPUT(1'b0)
    ) adders (
        .CLK(clk), .CE(enable), .A(second), .B(first), .C(16'd0), .D(16'd0), .OLOADTOP(clear), .OLOADBOT(clear), .O(both),
        .ADDSUBTOP(1'b0), .ADDSUBBOT(1'b0), .OHOLDTOP(1'b0), .OHOLDBOT(1'b0), .CI(1'b0), .ACCUMCI(1'b0), .SIGNEXTIN(1'b0),
        .AHOLD(1'b0), .BHOLD(1'b0), .CHOLD(1'b0), .DHOLD(1'b0),
        .IRSTTOP(1'b0), .IRSTBOT(1'b0), .ORSTTOP(1'b0), .ORSTBOT(1'b0), .CO(), .ACCUMCO(), .SIGNEXTOUT()
    );
endmodule
