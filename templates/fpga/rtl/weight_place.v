// Where a weight row stands, and which part of each place: its number says how many stand together. One by itself: the
// number is the place. Two, of half the bits each: above 2^(RW+1), two numbers to a place. Four, of a quarter each: above
// 2^(RW+2), four. Numbers may pass through anything on the way here: only their sums count.
module weight_place #(
    parameter RW     = 11,                 // bits of a place
    parameter PACKED = 4,                  // rows that may stand together: 2 or 4
    parameter NW     = PACKED == 2 ? RW + 2 : RW + 3
) (
    input  wire [NW-1:0] number,
    output wire [RW-1:0] place,
    output wire [3:0]    part              // {it is the whole, a quarter, which quarter (of a half: its first)}
);
    wire quarter = PACKED > 2 && number[NW-1];
    wire half    = !quarter && number[RW+1];

    assign place = quarter ? number[2 +: RW] : half ? number[1 +: RW] : number[0 +: RW];
    assign part  = {!quarter && !half, quarter, quarter ? number[1:0] : {half && number[0], 1'b0}};
endmodule
