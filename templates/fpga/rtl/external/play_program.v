// The operations of a program (docs/player.md), one after the other: what each asks of the player's other parts, and when.
module play_program #(
    parameter AW = 21
) (
    input  wire          clk,
    input  wire          rst,
    input  wire          play,         // the program `from` there, while nothing is played
    input  wire [AW-1:0] from,
    input  wire          stop,
    output wire          playing,
    output reg           failed,
    output wire          resets,       // the other parts forget what they do
    input  wire          sharing,      // something is on its way to the memory or back
    // words of the program, of tables, and, for the gather, of its lists
    output wire          words_start,
    output wire [AW-1:0] words_from,
    input  wire          words_valid,
    output wire          words_ready,
    input  wire [31:0]   words,
    // the other parts
    input  wire          bad,          // one of them met what cannot be: everything stops
    output wire          loader_start,
    output wire [AW-1:0] loader_from,
    input  wire          loader_busy,
    output wire          table_clear,
    output wire          table_we,
    output wire [47:0]   table_data,
    output reg  [3:0]    streams,
    output wire          streams_we,
    output wire [6:0]    streams_at,
    output wire          streams_advance,
    output wire          streams_by_sample,
    input  wire          streams_busy,
    output wire          gather_start,
    input  wire          gathered,     // pulses: a list is through
    output reg  [15:0]   step,
    output reg           run,
    output wire          copies,       // what is gathered is captured
    input  wire          recorded,     // pulses: what the read-out gives of a step has left it
    input  wire          cores_busy,
    output wire          capture_set,
    output reg  [AW-1:0] capture_from,
    input  wire          capturing,
    output wire          sum_start,
    output reg           sum_anew,
    output wire [4:0]    top_plane,
    output wire [20:0]   sum_values,
    input  wire          sum_busy
);
    localparam [7:0] END = 8'd0, LOAD = 8'd1, PROBE = 8'd2, RUN = 8'd3, COPY = 8'd4, SUM = 8'd5;
    localparam [2:0] SAMPLES = 3'd0, TILES = 3'd1, CAPTURE = 3'd2, LIST_MEANWHILE = 3'd3, TABLES = 3'd4, COUNT = 3'd5;
    localparam [4:0] REST = 5'd0, FETCH = 5'd1, OPERATION = 5'd2, LIST = 5'd3, ENTRY = 5'd4, ENTRY_SIZE = 5'd5,
                     FIELDS = 5'd6, STREAMS = 5'd7, LOADING = 5'd8, BEGIN = 5'd9, TILE = 5'd10, TILE_LIST = 5'd11,
                     ADVANCE = 5'd12, ADVANCED = 5'd13, GATHER = 5'd14, NEXT_SAMPLE = 5'd15, NEXT = 5'd16, DRAIN = 5'd17,
                     ADD = 5'd18, ADDING = 5'd19, CLOSE = 5'd20;

    reg [4:0]    state;
    reg [AW-1:0] pc;                   // the next word of the program
    reg [2:0]    code;
    reg [15:0]   top;                  // steps of a sample, probes left or planes, less one
    reg [31:0]   entry;
    reg [2:0]    field;                // of the operation, or of a stream
    reg [3:0]    stream;
    reg [23:0]   samples;              // left
    reg [15:0]   tiles, tiles_left;
    reg [AW-1:0] load_at, tables, table_at, list;
    reg          loads, probes;        // there is something to load meanwhile; there are probes
    reg [7:0]    owed;                 // steps that are gathered and not recorded
    reg [3:0]    rests;                // cycles since the cores moved
    reg          closes;               // for a cycle at least
    wire         sums = code == SUM[2:0];
    wire         runs = code == RUN[2:0];
    wire         of_program = state >= OPERATION && state <= STREAMS;
    wire         takes = of_program && words_valid;
    wire [7:0]   next_code = words[31:24];
    wire         of_few = next_code == PROBE || next_code == SUM;
    wire         last_step = step == top;
    wire         last_sample = samples == 1;
    wire         last_field = field == (sums ? 3'd2 : 3'd3);
    reg          wrong;

    assign playing      = state != REST;
    assign resets       = state == REST || state == CLOSE;
    assign words_start  = state == FETCH || state == TILE || state == ADVANCE;
    assign words_from   = state == FETCH ? pc : state == TILE ? table_at : list;
    assign words_ready  = of_program || state == TILE_LIST;
    assign loader_start = (state == LIST && words_valid) || (state == BEGIN && runs && loads);
    assign loader_from  = state == LIST ? words[AW-1:0] : load_at;
    assign table_clear  = state == OPERATION && words_valid && next_code == PROBE;
    assign table_we     = state == ENTRY_SIZE && words_valid;
    assign table_data   = {words[15:0], entry};
    assign streams_we   = state == STREAMS && words_valid;
    assign streams_at   = {stream, field};
    assign streams_advance = state == ADVANCE || state == NEXT_SAMPLE;
    assign streams_by_sample = state == NEXT_SAMPLE;
    assign gather_start = state == ADVANCED && !streams_busy;
    assign copies       = code == COPY[2:0];
    assign capture_set  = state == BEGIN;
    assign sum_start    = state == ADD;
    assign top_plane    = top[4:0];

    generate
        if (AW > 21) begin : most_values
            assign sum_values = tables[20:0];
        end else begin : fewer_values
            assign sum_values = {{(21-AW){1'b0}}, tables};
        end
    endgenerate

    // What cannot be, in the word that is taken.
    always @* begin
        case (state)
            OPERATION: wrong = next_code > SUM || (next_code >= PROBE && (words[15:0] == 0 || words[23:16] != 0
                               || (of_few && (words[15:6] != 0 || (words[5] && words[4:0] != 0)))));
            FIELDS: case (field)
                SAMPLES: wrong = words == 0 || words[31:24] != 0;
                TILES:   wrong = words == 0 || words[31:16] != 0;
                TABLES:  wrong = sums && (words == 0 || words[31:21] != 0);
                COUNT:   wrong = words[31:4] != 0 || (sums && words == 0);
                default: wrong = 1'b0;
            endcase
            default: wrong = 1'b0;
        endcase
    end

    always @(posedge clk) begin
        closes <= state == CLOSE;
        owed   <= owed + {7'd0, gathered} - {7'd0, recorded};
        rests  <= state != DRAIN || cores_busy ? 4'd0 : rests + {3'd0, !(&rests)};
        if (takes) pc <= pc + 1'b1;
        case (state)
            FETCH: state <= OPERATION;
            OPERATION: if (words_valid) begin
                code  <= next_code[2:0];
                top   <= words[15:0] - 1'b1;
                field <= SAMPLES;
                case (next_code)
                    END:     state <= CLOSE;
                    LOAD:    state <= LIST;
                    PROBE:   state <= ENTRY;
                    default: state <= FIELDS;
                endcase
            end
            LIST: if (words_valid) state <= LOADING;
            LOADING: if (!loader_busy) state <= OPERATION;
            ENTRY: if (words_valid) begin
                entry <= words;
                state <= ENTRY_SIZE;
            end
            ENTRY_SIZE: if (words_valid) begin
                probes <= 1'b1;
                top    <= top - 1'b1;
                state  <= top == 0 ? OPERATION : ENTRY;
            end
            FIELDS: if (words_valid) begin
                field <= sums && field == SAMPLES ? TABLES : sums && field == TABLES ? CAPTURE
                       : sums && field == CAPTURE ? COUNT : field + 1'b1;
                case (field)
                    SAMPLES: samples <= words[23:0];
                    TILES:   tiles <= words[15:0];
                    CAPTURE: capture_from <= words[AW-1:0];
                    LIST_MEANWHILE: {loads, load_at} <= {words != 0, words[AW-1:0]};
                    TABLES:  tables <= words[AW-1:0];
                    default: begin
                        streams <= words[3:0];
                        stream  <= 4'd0;
                        field   <= 3'd0;
                        state   <= words[3:0] == 0 ? BEGIN : STREAMS;
                    end
                endcase
            end
            STREAMS: if (words_valid) begin
                field <= last_field ? 3'd0 : field + 1'b1;
                if (last_field) stream <= stream + 1'b1;
                if (last_field && stream + 1'b1 == streams) state <= BEGIN;
            end
            BEGIN: begin
                run        <= runs;
                owed       <= 8'd0;
                sum_anew   <= 1'b1;
                tiles_left <= tiles;
                table_at   <= tables;
                state      <= sums ? ADD : runs && !probes ? CLOSE : TILE;
                if (runs && !probes) failed <= 1'b1;
            end
            TILE: begin
                table_at <= table_at + 1'b1;
                step     <= 16'd0;
                state    <= TILE_LIST;
            end
            TILE_LIST: if (words_valid) begin
                list  <= words[AW-1:0];
                state <= ADVANCE;
            end
            ADVANCE: state <= ADVANCED;
            ADVANCED: if (!streams_busy) state <= GATHER;
            GATHER: if (gathered) begin
                step <= step + 1'b1;
                if (last_step) tiles_left <= tiles_left - 1'b1;
                state <= !last_step ? ADVANCE : tiles_left != 1 ? TILE : last_sample ? DRAIN : NEXT_SAMPLE;
            end
            NEXT_SAMPLE: begin
                samples    <= samples - 1'b1;
                tiles_left <= tiles;
                table_at   <= tables;
                state      <= NEXT;
            end
            NEXT: if (!streams_busy) state <= sums ? ADD : TILE;
            DRAIN: if (!capturing && (copies || (owed == 0 && !loader_busy && &rests))) begin
                run   <= 1'b0;
                state <= FETCH;
            end
            ADD: state <= ADDING;
            ADDING: begin
                sum_anew <= 1'b0;
                if (!sum_busy) state <= last_sample ? OPERATION : NEXT_SAMPLE;
            end
            CLOSE: begin
                run <= 1'b0;
                if (closes && !sharing) state <= REST;
            end
            default: ;
        endcase
        if (state == REST) begin
            if (play) begin
                pc     <= from;
                probes <= 1'b0;
                failed <= 1'b0;
                state  <= FETCH;
            end
        end else if (bad || (takes && wrong)) begin
            failed <= 1'b1;
            state  <= CLOSE;
        end else if (stop) state <= CLOSE;
        if (rst) begin
            run    <= 1'b0;
            failed <= 1'b0;
            state  <= REST;
        end
    end
endmodule
