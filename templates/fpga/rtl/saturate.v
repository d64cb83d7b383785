// The nearest number of TO bits.
module saturate #(
    parameter FROM = 32,
    parameter TO   = 16
) (
    input  wire [FROM-1:0] in,
    output wire [TO-1:0]   out,
    output wire            over   // it is another one
);
    wire negative = in[FROM-1];

    assign over = in[FROM-1:TO-1] != {(FROM-TO+1){negative}};
    assign out  = over ? {negative, {(TO-1){!negative}}} : in[TO-1:0];
endmodule
