// The weights of one row out of the places of 32 bits of the weight memory: all of each place, or one part of it with its
// sign (`weight_place`).
module unpacked #(
    parameter WEIGHT_BITS = 8,
    parameter PACKED      = 1              // 1: never a part, 2: halves, 4: quarters too
) (
    input  wire [31:0] places,
    // verilator lint_off UNUSEDSIGNAL
    input  wire [3:0]  part,               // {the whole, a quarter, which quarter}
    // verilator lint_on UNUSEDSIGNAL
    output wire [31:0] weights
);
    genvar i;
    generate
        if (PACKED == 1) begin : as_they_are
            assign weights = places;
        end else begin : parts
            localparam HALF    = WEIGHT_BITS / 2;
            localparam QUARTER = WEIGHT_BITS / 4;
            wire whole = part[3], second = part[1];
            for (i = 0; i < 32; i = i + WEIGHT_BITS) begin : lane
                wire [HALF-1:0] upper = places[i+HALF +: HALF];
                wire [HALF-1:0] half  = second ? upper : places[i +: HALF];
                wire [HALF-1:0] low;
                assign weights[i +: WEIGHT_BITS] = {whole ? upper : {HALF{low[HALF-1]}}, low};
                if (PACKED > 2) begin : quarters
                    wire [QUARTER-1:0] quarter = part[0] ? half[QUARTER +: QUARTER] : half[0 +: QUARTER];
                    assign low = {part[2] ? {QUARTER{quarter[QUARTER-1]}} : half[HALF-1:QUARTER], quarter};
                end else begin : halves
                    assign low = half;
                end
            end
        end
    endgenerate
endmodule
