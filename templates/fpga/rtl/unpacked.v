// The weights of one row out of the places of 32 bits of the weight memory: all of each place, or one part of it with its
// sign (`weight_place`).
module unpacked #(
    parameter WEIGHT_BITS = 8,
    parameter PACKED      = 4              // 2: halves, 4: quarters too
) (
    input  wire [31:0] places,
    // verilator lint_off UNUSEDSIGNAL
    input  wire [3:0]  part,               // {the whole, a quarter, which quarter}
    // verilator lint_on UNUSEDSIGNAL
    output wire [31:0] weights
);
    localparam HALF    = WEIGHT_BITS / 2;
    localparam QUARTER = WEIGHT_BITS / 4;

    genvar i;
    generate
        for (i = 0; i < 32; i = i + WEIGHT_BITS) begin : lane
            wire [HALF-1:0] upper = places[i+HALF +: HALF];
            wire [HALF-1:0] half  = part[1] ? upper : places[i +: HALF];
            wire [HALF-1:0] low;
            assign weights[i +: WEIGHT_BITS] = {part[3] ? upper : {HALF{low[HALF-1]}}, low};
            if (PACKED > 2) begin : quarters
                wire [QUARTER-1:0] quarter = part[0] ? half[QUARTER +: QUARTER] : half[0 +: QUARTER];
                assign low = {part[2] ? {QUARTER{quarter[QUARTER-1]}} : half[HALF-1:QUARTER], quarter};
            end else begin : halves
                assign low = half;
            end
        end
    endgenerate
endmodule
