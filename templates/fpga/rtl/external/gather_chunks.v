// A gather list (docs/player.md) as chunks: bits of one word of the memory each, asked for as they come. A chunk is
// {the list ends and there are no bits, they are zeros that no word is read for, bits, lowest one's place in its word}.
module gather_chunks #(
    parameter AW = 21,
    parameter BW = AW + 5              // bits of a bit's address
) (
    input  wire          clk,
    input  wire          rst,
    input  wire          start,        // a list comes
    // the list
    input  wire          list_valid,
    output wire          list_ready,
    input  wire [31:0]   list_word,
    // where a stream stands: three cycles after `stream`
    output reg  [3:0]    stream,
    input  wire          silent,
    input  wire [AW-1:0] stands,
    // memory
    output wire          ask,
    output wire [AW-1:0] ask_at,
    input  wire          asked,
    // chunks
    input  wire          room,
    output wire          push,
    output wire [12:0]   chunk
);
    localparam [3:0] REST = 4'd0, PLACE = 4'd1, RUN = 4'd2, STEP = 4'd3, TIMES = 4'd4, OUTER_STEP = 4'd5, BEGIN = 4'd6,
                     SIZE = 4'd7, ASK = 4'd8, LAST = 4'd9;

    reg [3:0]    state;
    reg          zeros;
    reg [BW-1:0] outer, run, at, step, outer_step;
    reg [15:0]   bits, left, runs, runs_left, times_left;
    reg [5:0]    size;                 // of the chunk
    reg          run_ends, runs_end, all_end;
    wire [5:0]   to_end = 6'd32 - {1'b0, at[4:0]};
    wire         fits = left <= {10'd0, to_end};
    wire         given = state == ASK && room && (zeros || asked);
    wire [BW-1:0] next = (runs_end ? outer : run) + (runs_end ? outer_step : step);
    wire [AW-1:0] next_word = at[BW-1:5] + 1'b1;
    // verilator lint_off UNUSEDSIGNAL
    wire [BW+27:0] place = {{BW{1'b0}}, list_word[27:0]};
    wire [BW+31:0] signed_word = {{BW{list_word[31]}}, list_word};
    // verilator lint_on UNUSEDSIGNAL

    assign list_ready = state >= PLACE && state <= OUTER_STEP;
    assign ask    = state == ASK && room && !zeros;
    assign ask_at = at[BW-1:5];
    assign push   = given || (state == LAST && room);
    assign chunk  = {state == LAST, state == LAST || zeros, size, at[4:0]};

    always @(posedge clk) begin
        if (list_ready && list_valid) begin
            state <= state + 1'b1;
            case (state)
                PLACE: {stream, outer} <= {list_word[31:28], place[BW-1:0]};
                RUN: begin
                    {runs, bits} <= list_word;
                    if (list_word[15:0] == 0) state <= LAST;
                end
                STEP:    step <= signed_word[BW-1:0];
                TIMES:   times_left <= list_word[15:0];
                default: outer_step <= signed_word[BW-1:0];
            endcase
        end
        case (state)
            OUTER_STEP: if (list_valid) begin
                outer <= outer + {stands, 5'd0};
                zeros <= &stream || silent;
            end
            BEGIN: begin
                {run, at} <= {2{outer}};
                runs_left <= runs;
                left      <= bits;
                state     <= SIZE;
            end
            SIZE: begin
                size     <= fits ? left[5:0] : to_end;
                run_ends <= fits;
                runs_end <= runs_left == 1;
                all_end  <= runs_left == 1 && times_left == 1;
                state    <= ASK;
            end
            ASK: if (given) begin
                state <= run_ends && all_end ? PLACE : SIZE;
                left  <= run_ends ? bits : left - {10'd0, size};
                at    <= run_ends ? next : {next_word, 5'd0};
                if (run_ends) begin
                    run       <= next;
                    runs_left <= runs_end ? runs : runs_left - 1'b1;
                    if (runs_end) begin
                        outer      <= next;
                        times_left <= times_left - 1'b1;
                    end
                end
            end
            LAST: if (room) state <= REST;
            default: ;
        endcase
        if (start) state <= PLACE;
        if (rst) state <= REST;
    end
endmodule
