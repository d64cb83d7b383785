// The rows of a job (lines x columns of them) and of each the segments in which there may be spikes (as `job_rows`, which
// goes through all): looked up for several rows of a line at once, a `stretch`. A row without any has a void one.
//
// Such a job's segments, at most eight, are alike but for the line that they run in, each as far from the one before:
// windows of `reach` + 1 bits, that move from row to row. They tell whether they may have spikes byte by byte, counted
// from the byte in which the stretch's first window starts; `reach` says how far from that byte's start it may reach.
module spotted_rows #(
    parameter EW = 8,                      // bits of a segment's number
    parameter RW = 11,                     // bits of a weight row
    parameter BW = 14                      // bits of a bit address within one parity
) (
    input  wire          clk,
    input  wire          run,
    input  wire          start,            // of such a job, while this is not `busy`
    // the job, from the next cycle to the next one's start
    input  wire [EW-1:0] first_segment,
    input  wire [3:0]    count,
    input  wire [11:0]   columns,
    input  wire [11:0]   lines,
    input  wire          parity,
    // verilator lint_off UNUSEDSIGNAL
    input  wire [19:0]   window,           // of the first row, in the first segment: where it starts
    input  wire [15:0]   pitch,            // bits from one segment to the next
    input  wire [15:0]   line_step,        // from one line of rows to the next
    input  wire [15:0]   stretch_step,     // from one stretch to the next
    // verilator lint_on UNUSEDSIGNAL
    input  wire [6:0]    stretch,          // rows of one, at most
    input  wire [6:0]    step,             // bits from one row to the next
    input  wire [6:0]    reach,
    input  wire [RW-1:0] row_step,         // weight rows from a row to the next
    // what is looked up, and what was
    output wire          look,
    output wire [BW-5:0] look_at,          // {parity, word}
    input  wire [15:0]   there,
    // the segment
    output wire          active,           // there is one
    input  wire          advance,          // it is taken
    output wire [EW-1:0] segment,
    output wire          nothing,          // only the row is
    output wire [11:0]   column,
    output wire [11:0]   line,
    output wire          first_row,        // the job's first
    output wire          last_row,
    output wire          row_ends,         // it is the last one of its row
    output wire          of_parity,
    output reg  [RW-1:0] offset,           // in weight rows, of the row whose segment was taken last
    output wire          left,             // there are rows, if only on the way
    output wire          busy
);
    // ---------------------------------------------------------------- looking up, a stretch ahead
    reg           starts, looks, all_looked, looked, ready;
    reg  [2:0]    nth, nth_looked;
    reg  [11:0]   columns_left, lines_left;
    reg  [BW-1:0] of_line, of_stretch, at;
    reg  [1:0]    byte_looked;
    reg  [127:0]  next_spots, spots;
    // verilator lint_off UNUSEDSIGNAL
    wire [19:0]   by_line = {4'd0, line_step}, by_stretch = {4'd0, stretch_step}, by_pitch = {4'd0, pitch};
    // verilator lint_on UNUSEDSIGNAL
    wire          whole = {1'b0, nth} + 1'b1 == count;
    wire          line_whole = columns_left <= {5'd0, stretch};
    wire [BW-1:0] next_line = of_line + by_line[BW-1:0];
    wire [BW-1:0] next_stretch = line_whole ? next_line : of_stretch + by_stretch[BW-1:0];
    wire          takes;                   // a stretch is complete, and the one before it is over

    assign look    = looks;
    assign look_at = {parity, at[BW-1:5]};

    always @(posedge clk) begin
        starts <= run && start;
        looked <= run && looks;
        {nth_looked, byte_looked} <= {nth, at[4:3]};
        if (!run || start) begin
            {looks, ready, all_looked} <= 3'b000;
        end else if (starts) begin
            {looks, ready} <= 2'b10;
            nth            <= 3'd0;
            {columns_left, lines_left} <= {columns, lines};
            {of_line, of_stretch, at}  <= {3{window[BW-1:0]}};
        end else if (looks) begin
            nth <= nth + 1'b1;
            at  <= at + by_pitch[BW-1:0];
            if (whole) begin
                looks      <= 1'b0;
                nth        <= 3'd0;
                of_stretch <= next_stretch;
                at         <= next_stretch;
                if (line_whole) begin
                    of_line      <= next_line;
                    columns_left <= columns;
                    lines_left   <= lines_left - 1'b1;
                    all_looked   <= lines_left == 1;
                end else begin
                    columns_left <= columns_left - {5'd0, stretch};
                end
            end
        end else if (looked) begin
            ready <= 1'b1;
        end else if (takes) begin
            ready <= 1'b0;
            looks <= !all_looked;
        end
        if (looked) next_spots[16*nth_looked +: 16] <= there >> byte_looked;
        if (takes) spots <= next_spots;
    end

    // ---------------------------------------------------------------- the row that is looked at next
    reg           going, known;            // there is one; its stretch was looked up
    reg  [11:0]   column_next, line_next;
    reg  [6:0]    low, high;               // of its window, within the stretch
    reg  [6:0]    rows_left;               // of the stretch
    wire [15:0]   covered = (16'hFFFF << low[6:3]) & (16'hFFFF >> (4'd15 - high[6:3]));
    wire          line_ends = column_next + 1'b1 == columns;
    wire          stretch_ends = line_ends || rows_left == 1;
    wire          ends = line_ends && line_next + 1'b1 == lines;
    wire [7:0]    may;
    wire          room;
    wire          steps = going && known && room;

    assign takes = ready && (!known || (steps && stretch_ends));

    genvar k;
    generate
        for (k = 0; k < 8; k = k + 1) begin : of_segment
            assign may[k] = k < count && (spots[16*k +: 16] & covered) != 0;
        end
    endgenerate

    always @(posedge clk) begin
        if (!run || start) begin
            {going, known} <= 2'b00;
        end else if (starts) begin
            going <= 1'b1;
            {column_next, line_next} <= 24'd0;
        end else begin
            if (steps && ends) going <= 1'b0;
            known <= takes || (known && !(steps && stretch_ends));
        end
        if (starts || (steps && stretch_ends)) begin
            {low, high, rows_left} <= {7'd0, reach, stretch};
        end else if (steps) begin
            {low, high, rows_left} <= {low + step, high + step, rows_left - 1'b1};
        end
        if (steps) begin
            column_next <= line_ends ? 12'd0 : column_next + 1'b1;
            if (line_ends) line_next <= line_next + 1'b1;
        end
    end

    // ---------------------------------------------------------------- the next row, and the one under way
    reg           waits, here, first_waits, last_waits, first_here, last_here;
    reg  [7:0]    todo_waits, todo;
    reg  [EW:0]   job_waits, job_here;     // {parity, first segment}
    reg  [RW-1:0] step_waits, offset_here;
    reg  [11:0]   column_waits, line_waits, column_here, line_here;
    wire [7:0]    lowest = todo & (~todo + 1'b1);
    wire [7:0]    rest = todo & ~lowest;
    wire [2:0]    index = {(lowest & 8'hF0) != 0, (lowest & 8'hCC) != 0, (lowest & 8'hAA) != 0};
    wire          moves = !here || (advance && rest == 0);

    assign room      = !waits || moves;
    assign active    = here;
    assign segment   = job_here[EW-1:0] + {{(EW-3){1'b0}}, index};
    assign of_parity = job_here[EW];
    assign left      = waits || here;
    assign nothing   = todo == 0;
    assign {column, line} = {column_here, line_here};
    assign first_row = first_here;
    assign last_row  = last_here;
    assign row_ends  = rest == 0;
    assign busy      = starts || going;

    always @(posedge clk) begin
        if (!run) {waits, here} <= 2'b00;
        else begin
            if (moves) here <= waits;
            if (room) waits <= steps;
        end
        if (advance) offset <= offset_here;
        if (moves && waits) offset_here <= first_waits ? {RW{1'b0}} : offset_here + step_waits;
        if (moves) begin
            {todo, column_here, line_here, first_here, last_here, job_here}
                <= {todo_waits, column_waits, line_waits, first_waits, last_waits, job_waits};
        end else if (advance) begin
            todo <= rest;
        end
        if (room) begin
            {todo_waits, column_waits, line_waits} <= {may, column_next, line_next};
            step_waits  <= row_step;
            first_waits <= column_next == 0 && line_next == 0;
            last_waits  <= ends;
            job_waits   <= {parity, first_segment};
        end
    end
endmodule
