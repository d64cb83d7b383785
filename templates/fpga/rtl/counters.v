// What the device says of itself, in one memory of 16-bit words: what it has counted, the image's hash and, in the upper
// half, its identity, which is constant: nothing is written there.
//
//   0 bad frames (up to 65,528)   1..4 cycles   5..8 cycles in which cores worked   9, 10 steps   11, 12 saturations
//   16..28 the same, as they stood when `wanted`       48..63 hash of the image
//   64..79 zero       98..111 IDENTITY (told as 34..47)
//
// A sweep goes through all counters in 64 cycles, four each: read; add; write; then the write port is the hash's, and
// a cycle later the copy's, if it is wanted. What happens meanwhile waits in a few bits. Words 16 on and 34 on are what
// STATUS and HELLO tell, in its order (docs/link.md).
module counters #(
    parameter [223:0] IDENTITY = 0,
    parameter         SB       = 3    // bits of the saturations in a cycle
) (
    input  wire          clk,
    input  wire          rst,
    input  wire          clear,       // steps, saturations and working cycles start anew
    // what is counted
    input  wire          bad,
    input  wire          working,
    input  wire          step,
    input  wire [SB-1:0] saturated,
    // the copy
    input  wire          wanted,
    output reg           taken,       // it is there, until it is not wanted any more
    // hash
    output wire          hash_ready,
    input  wire          hash_we,     // only when ready
    input  wire [15:0]   hash_data,
    // what is told: byte `at` six cycles after `at` has changed, at the most
    input  wire [6:0]    at,
    output reg  [7:0]    told
);
    localparam [3:0] BAD = 4'd0, CYCLES = 4'd1, WORKING = 4'd5, STEPS = 4'd9, SATURATIONS = 4'd11;
    localparam SW = SB + 7;           // as many as two sweeps may bring

    (* no_rw_check, ram_style = "block" *)
    reg [15:0] mem [0:127];

    // ---------------------------------------------------------------- the sweep
    reg  [5:0]  beat;
    reg         copying, carry;
    reg         to_clear, to_clear_all;    // from the next sweep on
    reg         clearing, clearing_all;    // in this one
    wire [3:0]  word  = beat[5:2];
    wire [1:0]  phase = beat[1:0];
    wire        ends  = beat == 6'd63;

    // ---------------------------------------------------------------- what waits to be added
    reg  [2:0]    bads;
    reg  [7:0]    works;
    reg  [4:0]    steps;
    reg  [SW-1:0] saturations;
    wire          clears = word[3] || (word[2] && word[1:0] != 0);  // from WORKING on
    wire          anew = clearing && (clearing_all || clears);  // from zero, which is read instead
    reg  [15:0]   waits, addend, read;
    reg           bads_end;           // no more of them are counted
    reg  [16:0]   sum;
    reg  [3:0]    word_then;          // of the sum, in the cycle after its four
    wire          takes = phase == 2'd0 && !to_clear;

    always @* begin
        case (word)
            BAD:         waits = bads_end ? 16'd0 : {13'd0, bads};
            CYCLES:      waits = 16'd64;
            WORKING:     waits = {8'd0, works};
            STEPS:       waits = {11'd0, steps};
            SATURATIONS: waits = {{(16-SW){1'b0}}, saturations};
            default:     waits = {15'd0, carry};
        endcase
        if (to_clear && (word == BAD || clears)) waits = 16'd0;
    end

    always @(posedge clk) begin
        beat <= beat + 1'b1;
        if (phase == 2'd0) addend <= waits;
        if (phase == 2'd1) sum <= {1'b0, read} + {1'b0, addend};
        if (phase == 2'd1) word_then <= word;
        if (phase == 2'd2) carry <= sum[16];
        if (phase == 2'd2 && word == BAD) bads_end <= &read[15:3];
        bads        <= takes && word == BAD ? {2'd0, bad} : bads + {2'd0, bad};
        works       <= takes && word == WORKING ? {7'd0, working} : works + {7'd0, working};
        steps       <= takes && word == STEPS ? {4'd0, step} : steps + {4'd0, step};
        saturations <= takes && word == SATURATIONS ? {{(SW-SB){1'b0}}, saturated} : saturations + {{(SW-SB){1'b0}}, saturated};
        if (ends) begin
            copying      <= wanted && !copying;
            clearing     <= to_clear;
            clearing_all <= to_clear_all;
            to_clear     <= 1'b0;
            to_clear_all <= 1'b0;
        end
        taken <= wanted && (taken || (ends && copying));
        if (clear || rst) begin
            works       <= 8'd0;
            steps       <= 5'd0;
            saturations <= {SW{1'b0}};
            to_clear    <= 1'b1;
        end
        if (rst) begin
            beat         <= 6'd0;
            copying      <= 1'b0;
            bads         <= 3'd0;
            to_clear_all <= 1'b1;
        end
    end

    // ---------------------------------------------------------------- the memory
    wire        adds = phase == 2'd2 || (phase == 2'd0 && copying);
    wire        we = adds || (phase == 2'd3 && hash_we);
    wire [5:0]  waddr = phase == 2'd3 ? at[6:1] : {1'b0, !phase[1], word_then};
    wire [15:0] wdata = phase == 2'd3 ? hash_data : sum[15:0];

    wire [6:0]  raddr = phase[1] ? {at[6:5] == 2'b10, at[6:1]} : {anew, 2'b00, word};
    integer     i;
    initial begin
        for (i = 64; i < 128; i = i + 1) mem[i] = 16'd0;
        for (i = 0; i < 14; i = i + 1) mem[98+i] = IDENTITY[16*i +: 16];
    end

    assign hash_ready = phase == 2'd3;

    always @(posedge clk) begin
        if (we) mem[{1'b0, waddr}] <= wdata;
        if (!phase[0]) read <= mem[raddr];
        if (phase == 2'd3) told <= at[0] ? read[15:8] : read[7:0];
    end
endmodule
