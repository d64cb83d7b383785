// The input stream (docs/link.md): bytes to bitmap words for the fabric's input.
module steps #(
    parameter AW = 10
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
    output wire          out_last
);
    localparam HEAD = 2'd0, RAW = 2'd1, LOW = 2'd2, HIGH = 2'd3;

    reg [1:0]    state;
    reg [7:0]    events;    // still to come
    reg [7:0]    low;
    reg [31:0]   word;      // being filled
    reg [1:0]    byte_left;
    reg [AW-1:0] addr;
    reg          flush;     // the word is complete
    reg          finish;    // no event left: zeros up to the end
    reg          event_waits;
    reg [15:0]   event_bit;
    reg          first;

    // An event beyond the current word sends the word first; one before it, or none of ours, is ignored.
    wire event_later = event_waits && event_bit[15:5] > {{(11-AW){1'b0}}, addr};
    wire event_here  = event_waits && event_bit[15:5] == {{(11-AW){1'b0}}, addr};
    wire last        = addr == words - 1'b1;

    assign out_valid = flush || finish || (event_later && !last);
    assign out_addr  = addr;
    assign out_data  = word;
    assign out_first = first;
    assign out_last  = last;
    assign in_ready  = !flush && !finish && !event_waits;

    always @(posedge clk) begin
        if (in_valid && in_ready) begin
            case (state)
                HEAD: begin
                    byte_left <= 2'd3;
                    events    <= in_data;
                    if (in_data == 8'hFE) first <= 1'b1;
                    else if (in_data == 8'hFF) state <= RAW;
                    else if (in_data == 8'd0) finish <= 1'b1;
                    else state <= LOW;
                end
                RAW: begin
                    word      <= {in_data, word[31:8]};
                    byte_left <= byte_left - 1'b1;
                    flush     <= byte_left == 0;
                end
                LOW: begin
                    low   <= in_data;
                    state <= HIGH;
                end
                default: begin
                    event_bit   <= {in_data, low};
                    event_waits <= 1'b1;
                    events      <= events - 1'b1;
                    state       <= LOW;
                end
            endcase
        end
        if (event_waits && (!event_later || last)) begin
            if (event_here) word[event_bit[4:0]] <= 1'b1;
            event_waits <= 1'b0;
            finish      <= events == 0;
        end
        if (out_valid && out_ready) begin
            flush <= 1'b0;
            word  <= 32'd0;
            addr  <= last ? {AW{1'b0}} : addr + 1'b1;
            if (last) begin
                state  <= HEAD;
                finish <= 1'b0;
                first  <= 1'b0;
            end
        end
        if (rst) begin
            state       <= HEAD;
            word        <= 32'd0;
            addr        <= 0;
            flush       <= 1'b0;
            finish      <= 1'b0;
            event_waits <= 1'b0;
            first       <= 1'b0;
        end
    end
endmodule
