// Cuts the output stream into OUTPUT frames. A frame is closed when it is full, when a reply wants the line, or when the
// stream pauses while the line is idle: at once where nothing is under way that could bring more, else after some
// thousand cycles.
module output_frames (
    input  wire       clk,
    input  wire       rst,
    input  wire       restart,   // the next frame is number 0
    input  wire       yield_line,
    output wire       active,    // a frame is open
    input  wire       line_idle,
    input  wire       quiet,     // nothing is under way
    input  wire       in_valid,
    output wire       in_ready,
    input  wire [7:0] in_data,
    output wire       out_valid,
    input  wire       out_ready,
    output wire [7:0] out_data,
    output wire       out_close,
    input  wire       out_close_ready
);
    localparam CLOSED = 2'd0, NUMBER = 2'd1, OPEN = 2'd2, CLOSING = 2'd3;

    reg [1:0]  state;
    reg [7:0]  number;
    reg [8:0]  count;   // full at 480
    reg [14:0] pause;
    reg        rests;    // it was quiet a cycle ago

    wire may_open = in_valid && !yield_line;
    assign active    = state != CLOSED;
    assign out_valid = (state == CLOSED && may_open) || state == NUMBER || (state == OPEN && in_valid);
    assign out_data  = state == CLOSED ? 8'h8F : state == NUMBER ? number : in_data;
    assign in_ready  = state == OPEN && out_ready;
    assign out_close = state == CLOSING;

    always @(posedge clk) begin
        rests <= quiet;
        case (state)
            CLOSED: if (may_open && out_ready) state <= NUMBER;
            NUMBER: if (out_ready) begin
                number <= number + 1'b1;
                count  <= 0;
                pause  <= 0;
                state  <= OPEN;
            end
            OPEN: begin
                pause <= in_valid ? 15'd0 : pause + 1'b1;
                if (in_valid && out_ready) count <= count + 1'b1;
                if (&count[8:5] || yield_line || (line_idle && ((pause[6] && rests) || pause[14]))) state <= CLOSING;
            end
            default: if (out_close_ready) state <= CLOSED;
        endcase
        if (restart) number <= 0;
        if (rst) begin
            state  <= CLOSED;
            number <= 0;
        end
    end
endmodule
