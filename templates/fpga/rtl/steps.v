// The input stream (docs/link.md): bytes to bitmap words of the input. A word is filled from its top: by bytes of a
// bitmap, by zeros for those that a packed one leaves out, or bit by bit up to the next event, which takes less time
// than the line takes for the event.
module steps #(
    parameter HELD = 1,             // 0: inputs are neither packed nor held, which takes fewer gates
    parameter AW   = 10
) (
    input  wire          clk,
    input  wire          rst,
    input  wire [AW-1:0] words,     // of the input bitmap
    input  wire          in_valid,
    output wire          in_ready,
    input  wire [7:0]    in_data,
    output wire          out_valid,
    input  wire          out_ready,
    output wire [AW-1:0] out_addr,
    output wire [31:0]   out_data,
    output wire          out_first,
    output wire          out_last,
    output reg  [7:0]    more       // steps that take the same, after the word's
);
    localparam HEAD = 3'd0, RAW = 3'd1, LOW = 3'd2, HIGH = 3'd3, MASK = 3'd4, PACKED = 3'd5, TIMES = 3'd6;

    reg [2:0]    state;
    reg [7:0]    events;    // still to come; of a packed bitmap: which of the next eight bytes come
    reg [31:0]   word;      // being filled
    reg [4:0]    filled;    // its bits so far; 0: none or all
    reg [AW-1:0] addr;
    reg          flush;     // the word is complete
    reg          finish;    // no event left: zeros up to the end
    reg          event_waits;
    reg [15:0]   event_bit;
    reg          first;

    // An event beyond the current word sends the word first; one beyond the bitmap is ignored.
    // Whether it is in the word, and whether the word is the last one, is found before it is asked, as it takes long.
    reg  event_here, last;
    wire [AW-1:0] next = last ? {AW{1'b0}} : addr + 1'b1;
    wire [AW-1:0] second = addr + {{(AW-2){1'b0}}, 2'd2};
    wire alone = words == 1;
    wire set        = event_waits && event_here && event_bit[4:0] == filled;
    wire fill       = filled != 0 || (event_waits && event_here);
    wire left_out   = state == PACKED && !events[0] && !flush;
    wire take       = in_valid && in_ready;
    wire by_bytes   = left_out || (take && (state == RAW || state == PACKED));

    assign out_valid = flush || (filled == 0 && (finish || (event_waits && !event_here && !last)));
    assign out_addr  = addr;
    assign out_data  = word;
    assign out_first = first;
    assign out_last  = last;
    assign in_ready  = !flush && !finish && !event_waits && !left_out;

    always @(posedge clk) begin
        if (take) begin
            case (state)
                HEAD: begin
                    events <= in_data;
                    if (in_data == 8'hFE) first <= 1'b1;
                    else if (in_data == 8'hFF) state <= RAW;
                    else if (HELD != 0 && in_data == 8'hFD) state <= TIMES;
                    else if (HELD != 0 && in_data == 8'hFC) state <= MASK;
                    else if (in_data == 8'd0) finish <= 1'b1;
                    else state <= LOW;
                end
                TIMES: begin
                    more  <= in_data;
                    state <= HEAD;
                end
                MASK: begin
                    events <= in_data;
                    state  <= PACKED;
                end
                LOW: begin
                    event_bit[7:0] <= in_data;
                    state          <= HIGH;
                end
                HIGH: begin
                    event_bit[15:8] <= in_data;
                    event_here      <= {in_data, event_bit[7:5]} == {{(11-AW){1'b0}}, addr};
                    event_waits     <= 1'b1;
                    events          <= events - 1'b1;
                    state           <= LOW;
                end
                default: ;  // a byte of a bitmap
            endcase
        end
        if (by_bytes) begin
            word   <= {left_out ? 8'd0 : in_data, word[31:8]};
            filled <= filled + 5'd8;
            flush  <= filled == 5'd24;
            if (state == PACKED) events <= events >> 1;
            if (state == PACKED && filled == 5'd24 && addr[0]) state <= MASK;
        end else if ((event_waits || finish) && fill) begin
            word   <= {set, word[31:1]};
            filled <= filled + 1'b1;
        end
        if (event_waits && (set || (last && !event_here))) begin
            event_waits <= 1'b0;
            finish      <= events == 0;
        end
        if (out_valid && out_ready) begin
            flush <= 1'b0;
            word  <= 32'd0;
            addr  <= next;
            last  <= last ? alone : second == words;
            event_here <= event_bit[15:5] == {{(11-AW){1'b0}}, next};
            if (last) begin
                state  <= HEAD;
                finish <= 1'b0;
                first  <= 1'b0;
                more   <= 8'd0;
            end
        end
        if (rst) begin
            state       <= HEAD;
            word        <= 32'd0;
            filled      <= 5'd0;
            addr        <= 0;
            last        <= alone;
            flush       <= 1'b0;
            finish      <= 1'b0;
            event_waits <= 1'b0;
            first       <= 1'b0;
            more        <= 8'd0;
        end
    end
endmodule
