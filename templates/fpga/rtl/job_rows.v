// Goes through the rows of a job (lines x columns of them), and in each row through the job's segments: says which
// segment of which row is next.
module job_rows #(
    parameter SPATIAL = 1,
    parameter EW      = 8,                 // bits of a segment's number
    parameter RW      = 11                 // bits of a weight row
) (
    input  wire          clk,
    input  wire          run,
    input  wire          start,            // of a job, while there is none
    input  wire [EW-1:0] start_segment,    // its first segment, and how many a row has
    input  wire [EW:0]   start_count,
    input  wire [11:0]   start_lines,
    // the same and more, from the next cycle to the job's end
    input  wire [EW-1:0] first_segment,
    input  wire [EW:0]   count,
    // verilator lint_off UNUSEDSIGNAL
    input  wire [11:0]   columns,          // without a grid there are none, and lines are counted down
    input  wire [11:0]   lines,
    // verilator lint_on UNUSEDSIGNAL
    input  wire [RW-1:0] row_step,         // weight rows from a row to the next
    // the segment
    output reg           active,           // there is one
    input  wire          advance,          // it is taken
    output reg  [EW-1:0] segment,
    output reg  [11:0]   column,
    output reg  [11:0]   line,             // without a grid, a row is a line: how many there still are
    output reg  [RW-1:0] offset,           // in weight rows, of the row whose segment was taken last
    output reg           first_row,        // the job's first
    output wire          last_row,
    output wire          row_ends,         // it is the last one of its row
    output wire          job_ends
);
    reg  [EW:0]  left;
    reg          begins, turns;            // it is the first one of a job, or of another row than the one before
    wire [11:0]  next_column = column + 1'b1;
    wire [11:0]  next_line   = SPATIAL != 0 ? line + 1'b1 : line - 1'b1;
    wire         line_ends   = SPATIAL == 0 || next_column == columns;
    wire         lines_end   = SPATIAL != 0 ? next_line == lines : line == 1;
    wire         taken       = active && advance;

    assign last_row  = line_ends && lines_end;
    assign row_ends  = left == 1;
    assign job_ends  = row_ends && last_row;

    always @(posedge clk) begin
        if (!run) active <= 1'b0;
        else if (start) active <= 1'b1;
        else if (taken && job_ends) active <= 1'b0;
        if (start) begin
            segment <= start_segment;
            left    <= start_count;
            column  <= 12'd0;
            line    <= SPATIAL != 0 ? 12'd0 : start_lines;
            first_row <= 1'b1;
            begins  <= 1'b1;
            turns   <= 1'b0;
        end else if (taken) begin
            segment <= row_ends ? first_segment : segment + 1'b1;
            left    <= row_ends ? count : left - 1'b1;
            if (row_ends) begin
                first_row <= 1'b0;
                column <= line_ends ? 12'd0 : next_column;
                if (line_ends) line <= next_line;
            end
            if (begins) offset <= {RW{1'b0}};
            else if (turns) offset <= offset + row_step;
            begins <= 1'b0;
            turns  <= row_ends;
        end
    end
endmodule
