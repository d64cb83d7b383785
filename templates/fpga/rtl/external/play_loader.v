// Plays a load list (docs/player.md): words of the external memory into the cores' memories, one in two cycles.
module play_loader #(
    parameter AW = 21
) (
    input  wire          clk,
    input  wire          rst,
    input  wire          start,       // with the list `from` there
    input  wire [AW-1:0] from,
    output wire          busy,
    output reg           bad,         // an address was none; nothing was written there
    // words
    output wire          words_start,
    output wire [AW-1:0] words_from,
    output wire          words_stop,
    input  wire          words_valid,
    output wire          words_ready,
    input  wire [31:0]   words,
    // configuration
    output wire          cfg_we,      // in the second cycle of an address
    output reg  [31:0]   cfg_addr,
    output reg  [31:0]   cfg_wdata,
    input  wire          cfg_in_range // two cycles after its address
);
    localparam [2:0] REST = 3'd0, COUNT = 3'd1, PLACE = 3'd2, SOURCE = 3'd3, TAKE = 3'd4, STORE = 3'd5, NEXT = 3'd6;

    reg [2:0]    state;
    reg [AW-1:0] list;                // the next entry
    reg [20:0]   left;
    reg          stored;
    wire         pops = words_valid && words_ready;
    wire         source = state == SOURCE && words_valid;

    assign busy        = state != REST;
    assign words_ready = state >= COUNT && state <= TAKE;
    assign words_start = start || source || state == NEXT;
    assign words_from  = start ? from : state == NEXT ? list : words[AW-1:0];
    assign words_stop  = state == COUNT && words_valid && words == 0;
    assign cfg_we      = state == STORE;

    always @(posedge clk) begin
        stored <= cfg_we;
        bad    <= stored && !cfg_in_range;
        case (state)
            COUNT: if (words_valid) begin
                left  <= words[20:0];
                state <= words == 0 ? REST : PLACE;
            end
            PLACE: if (words_valid) begin
                cfg_addr <= words;
                state    <= SOURCE;
            end
            SOURCE: if (words_valid) state <= TAKE;
            TAKE: if (words_valid) begin
                cfg_wdata <= words;
                left      <= left - 1'b1;
                state     <= STORE;
            end
            STORE: begin
                cfg_addr[19:0] <= cfg_addr[19:0] + 1'b1;
                state          <= left == 0 ? NEXT : TAKE;
            end
            NEXT: state <= COUNT;
            default: ;
        endcase
        if (state <= SOURCE && pops) list <= list + 1'b1;
        if (start) begin
            list  <= from;
            state <= COUNT;
        end
        if (rst) begin
            state  <= REST;
            stored <= 1'b0;
            bad    <= 1'b0;
        end
    end
endmodule
