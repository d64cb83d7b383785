// Index of the single set bit of a one-hot word (0 if none).
module lowest_bit (
    input  wire [31:0] onehot,
    output wire [4:0]  index
);
    assign index[0] = |(onehot & 32'hAAAAAAAA);
    assign index[1] = |(onehot & 32'hCCCCCCCC);
    assign index[2] = |(onehot & 32'hF0F0F0F0);
    assign index[3] = |(onehot & 32'hFF00FF00);
    assign index[4] = |(onehot & 32'hFFFF0000);
endmodule
