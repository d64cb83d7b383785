// The sum of some signals (docs/player.md), for one record after the other: 32 values at a time are added up in a memory,
// source by source, and leave as words of a bit of each.
module sums #(
    parameter AW = 21
) (
    input  wire          clk,
    input  wire          rst,
    input  wire          start,
    input  wire          anew,         // the record goes to `to`; else behind the one before
    input  wire [AW-1:0] to,
    input  wire [4:0]    top_plane,    // the highest bit
    input  wire [20:0]   values,       // of a record
    input  wire [3:0]    sources,
    output wire          busy,
    // table of sources: a field comes two cycles later
    output wire [6:0]    field_at,
    // verilator lint_off UNUSEDSIGNAL
    input  wire [31:0]   field,
    // verilator lint_on UNUSEDSIGNAL
    // words of the memory
    output wire          words_start,
    output reg  [AW-1:0] words_from,
    output wire [5:0]    words_count,
    input  wire          words_valid,
    output wire          words_ready,
    input  wire [31:0]   words,
    // words to the memory
    output wire          write,
    input  wire          written,
    output reg  [AW-1:0] at,
    output wire [31:0]   data
);
    localparam [3:0] REST = 4'd0, COUNT = 4'd1, GROUP = 4'd2, BASE = 4'd3, PLANES = 4'd4, FROM = 4'd5, KIND = 4'd6,
                     SKIP = 4'd7, FETCH = 4'd8, ADD = 4'd9, ADDED = 4'd10, TURN = 4'd11, TURNED = 4'd12, WRITE = 4'd13;

    reg  [3:0]    state;
    reg  [20:0]   top_value;           // of a record: its number
    reg  [15:0]   groups, group;       // of 32 values
    reg  [AW-1:0] group_at;
    reg  [3:0]    source;
    reg           numbers, fresh;      // the source's values are numbers; nothing was added up yet
    reg  [4:0]    planes_left;
    reg  [31:0]   weight;              // of the plane
    reg           last_group;
    wire [4:0]    top = last_group ? top_value[4:0] : 5'd31;

    // ---------------------------------------------------------------- adding up
    reg  [4:0]    value, value_then;
    reg           adds, fresh_then;
    reg  [31:0]   addend;
    wire [31:0]   sum;
    (* keep *)                         // chosen once, not for every bit that depends on it
    wire          set = words[value];
    wire          moves = state == ADD && words_valid;
    wire          through = value == (numbers ? top : 5'd31);
    wire          last_plane = numbers || planes_left == 0;

    ram #(.WIDTH(32), .DEPTH(32)) totals (
        .clk(clk), .we(adds), .waddr(value_then), .wdata((fresh_then ? 32'd0 : sum) + addend),
        .re(1'b1), .raddr(value), .rdata(sum)
    );

    // ---------------------------------------------------------------- bits of four planes, of one value after the other
    reg  [127:0]  planes;
    reg  [4:0]    plane;
    reg           turns;
    wire [3:0]    four = value_then > top ? 4'd0 : sum[4*plane[4:2] +: 4];
    integer       k;

    assign busy        = state != REST;
    assign field_at    = {source, state == BASE ? 3'd0 : 3'd2};
    assign words_start = state == FETCH;
    assign words_count = numbers ? {1'b0, top} + 1'b1 : 6'd1;
    assign words_ready = state == ADD && (numbers || through);
    assign write       = state == WRITE;
    assign data        = planes[32*plane[1:0] +: 32];

    // verilator lint_off UNUSEDSIGNAL
    wire [AW+15:0] skipped = {{AW{1'b0}}, groups}, first_skipped = {{AW{1'b0}}, group};
    // verilator lint_on UNUSEDSIGNAL
    wire [AW-1:0] next_from = words_from + (state == ADD ? skipped[AW-1:0]
                                            : numbers ? {first_skipped[AW-6:0], 5'd0} : first_skipped[AW-1:0]);
    wire          last_of_group = plane == top_plane;

    always @(posedge clk) begin
        value_then <= value;
        adds       <= moves;
        fresh_then <= fresh;
        addend     <= numbers ? words : set ? weight : 32'd0;
        turns <= state == TURN;
        if (turns) for (k = 0; k < 4; k = k + 1) planes[32*k +: 32] <= {four[k], planes[32*k+1 +: 31]};
        case (state)
            COUNT: begin
                groups <= top_value[20:5] + 1'b1;
                group  <= 16'd0;
                state  <= GROUP;
            end
            GROUP: begin
                group_at   <= at;
                last_group <= group + 1'b1 == groups;
                source     <= 4'd0;
                fresh      <= 1'b1;
                state      <= BASE;
            end
            BASE: state <= PLANES;
            PLANES: state <= FROM;
            FROM: begin
                words_from <= field[AW-1:0];
                state      <= KIND;
            end
            KIND: begin
                numbers     <= field[5:0] == 0;
                planes_left <= field[4:0] - 1'b1;
                weight      <= 32'd1;
                state       <= SKIP;
            end
            SKIP: begin
                words_from <= next_from;
                state      <= FETCH;
            end
            FETCH: begin
                value <= 5'd0;
                state <= ADD;
            end
            ADD: if (moves) begin
                value <= value + 1'b1;
                if (through) begin
                    fresh       <= 1'b0;
                    weight      <= weight << 1;
                    words_from  <= next_from;
                    planes_left <= planes_left - 1'b1;
                    if (last_plane) source <= source + 1'b1;
                    state <= !last_plane ? FETCH : source + 1'b1 == sources ? ADDED : BASE;
                end
            end
            ADDED: begin
                value <= 5'd0;
                plane <= 5'd0;
                state <= TURN;
            end
            TURN: begin
                value <= value + 1'b1;
                if (value == 5'd31) state <= TURNED;
            end
            TURNED: state <= WRITE;
            WRITE: if (written) begin
                plane <= plane + 1'b1;
                at    <= !last_of_group ? at + skipped[AW-1:0] : last_group ? at + 1'b1 : group_at + 1'b1;
                if (&plane[1:0]) state <= TURN;
                if (last_of_group) begin
                    group <= group + 1'b1;
                    state <= last_group ? REST : GROUP;
                end
            end
            default: ;
        endcase
        if (start) begin
            top_value <= values - 1'b1;
            if (anew) at <= to;
            state <= COUNT;
        end
        if (rst) state <= REST;
    end
endmodule
