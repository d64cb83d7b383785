// How often a neuron fires in a step, and its membrane after that: as often as spikes of its size fit between what is
// held against the threshold and the threshold, the last one begun, `most` times at most. The number is found bit by
// bit, the highest first, one cycle each; SPIKES + 3 cycles in all. What goes along stands still in the compact form.
module spike_count #(
    parameter S      = 24,
    parameter SPIKES = 5                   // bits of the number
) (
    input  wire                clk,
    input  wire                enable,
    input  wire signed [S-1:0] value,
    input  wire signed [S-1:0] compared,
    input  wire signed [S-1:0] threshold,
    input  wire signed [S-1:0] size,       // positive
    input  wire signed [S-1:0] reset,
    input  wire                saturated_in,
    input  wire                fire,
    input  wire                keeps,      // no reset in this step
    input  wire                subtract,
    input  wire [SPIKES-1:0]   most,
    output reg  [SPIKES-1:0]   spikes,
    output reg  signed [S-1:0] result,
    output reg                 saturated
);
    localparam R = S + SPIKES + 1;
    localparam P = S + SPIKES + 1;         // bits of what several resets take

    // What is left above the threshold, and one spike more, less one: none is left where that is below zero.
    localparam L = S + 2;
    // verilator lint_off UNUSEDSIGNAL
    wire [L*(SPIKES+1)-1:0]      left;     // behind the last plane nothing of it is needed
    wire [S*(SPIKES+1)-1:0]      sizes;
    // verilator lint_on UNUSEDSIGNAL
    wire [SPIKES*(SPIKES+1)-1:0] found;
    reg  signed [L-1:0]          above;

    always @(posedge clk) if (enable)
        above <= {{2{compared[S-1]}}, compared} + ~{{2{threshold[S-1]}}, threshold} + {{2{size[S-1]}}, size};

    assign left[L*SPIKES +: L] = above;
    assign found[SPIKES*SPIKES +: SPIKES] = {SPIKES{1'b0}};
    stage #(.WIDTH(S)) first_size (.clk(clk), .enable(enable), .in(size), .out(sizes[S*SPIKES +: S]));

    function [SPIKES-1:0] no_more(input [SPIKES-1:0] many);
        no_more = many > most ? most : many;
    endfunction

    genvar k;
    generate
        for (k = 0; k < SPIKES; k = k + 1) begin : plane
            wire signed [L-1:0] here = left[L*(k+1) +: L];
            wire signed [R-1:0] rest = {{(R-L){here[L-1]}}, here} - ({{(R-S){1'b0}}, sizes[S*(k+1) +: S]} << k);
            wire                fits = fire && (most >> k) != 0 && !rest[R-1];
            wire [SPIKES-1:0]   found_here = found[SPIKES*(k+1) +: SPIKES];
            wire [SPIKES-1:0]   found_more = found_here | ({{(SPIKES-1){1'b0}}, 1'b1} << k);
            reg  [L-1:0]        left_then;
            reg  [SPIKES-1:0]   found_then;

            always @(posedge clk) if (enable) begin
                left_then  <= fits ? rest[L-1:0] : here;
                found_then <= fits ? (k == 0 ? no_more(found_more) : found_more)
                                   : k == 0 ? no_more(found_here) : found_here;
            end
            assign left[L*k +: L] = left_then;
            assign found[SPIKES*k +: SPIKES] = found_then;
            stage #(.WIDTH(S)) next_size (
                .clk(clk), .enable(enable), .in(sizes[S*(k+1) +: S]), .out(sizes[S*k +: S])
            );
        end
    endgenerate

    // The reset, as often.
    wire signed [S-1:0]    reset_then, reset_last;
    wire [SPIKES-1:0]      number = found[SPIKES-1:0];
    reg  [SPIKES-1:0]      number_then;
    localparam LOW = S > 18 ? 17 : 0;      // bits of a product of its own: a multiplier takes no more
    reg  signed [P-1:0]    taken_low, taken_high;
    wire signed [SPIKES:0] times = $signed({1'b0, number});
    stage #(.WIDTH(S), .CYCLES(SPIKES + 1)) resets (.clk(clk), .enable(enable), .in(reset), .out(reset_then));
    stage #(.WIDTH(S)) last_resets (.clk(clk), .enable(enable), .in(reset_then), .out(reset_last));

    wire signed [S-1:0] value_last, lowest;
    wire                saturated_last, over;
    wire signed [P:0]   lowered = {{(P+1-S){value_last[S-1]}}, value_last} - {taken_low[P-1], taken_low}
                                - {taken_high[P-1], taken_high};
    wire                resets_now = number_then != 0 && !keeps;
    stage #(.WIDTH(S + 1), .CYCLES(SPIKES + 2)) values (
        .clk(clk), .enable(enable), .in({value, saturated_in}), .out({value_last, saturated_last})
    );
    saturate #(.FROM(P + 1), .TO(S)) lowered_cut (.in(lowered), .out(lowest), .over(over));

    always @(posedge clk) if (enable) begin
        taken_low   <= LOW == 0 ? {P{1'b0}} : times * $signed({1'b0, reset_then[(LOW == 0 ? 0 : LOW-1):0]});
        taken_high  <= times * $signed(reset_then[S-1:LOW]) << LOW;
        number_then <= number;
        spikes      <= number_then;
        result      <= !resets_now ? value_last : subtract ? lowest : reset_last;
        saturated   <= saturated_last || (resets_now && subtract && over);
    end
endmodule
