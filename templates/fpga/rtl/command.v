// Carries out one request at a time (docs/link.md): writes and checks memories, starts runs, answers.
module command #(
    parameter MAX_BODY    = 512,
    parameter DIGEST_BITS = 8,     // that a cycle adds to a digest
    parameter PATIENT     = 1,     // 0: the line's encoder takes longer for a byte than `counters` for finding it
    parameter PW          = $clog2(MAX_BODY)
) (
    input  wire          clk,
    input  wire          rst,
    // request
    input  wire          frame_valid,
    input  wire [PW:0]   left,       // bytes not yet read, but for the CRC; then of the payload
    output wire          advance,    // one is
    output wire          frame_re,   // the next one comes to frame_rdata
    output wire [PW-1:0] frame_raddr,
    input  wire [7:0]    frame_rdata,
    output reg           frame_done,
    // reply
    output wire          wants_line,
    input  wire          has_line,
    output wire          out_valid,
    input  wire          out_ready,
    output wire [7:0]    out_data,
    output wire          out_close,
    input  wire          out_close_ready,
    // what HELLO and STATUS tell
    output reg  [6:0]    told_at,    // byte of `counters`
    input  wire [7:0]    told,
    output wire          copy_wanted,
    input  wire          copy_taken,
    input  wire          hash_ready,
    output wire          hash_we,
    output wire [15:0]   hash_data,
    // configuration of the fabric
    output wire          cfg_we,
    output reg  [31:0]   cfg_addr,
    output wire [31:0]   cfg_wdata,
    input  wire          cfg_in_range,
    output wire          cfg_last,   // the last of the cycles (at least four) that an address stands
    input  wire [31:0]   cfg_rdata,  // in as many cycles after those
    // run
    output wire          working,    // a request is being carried out
    output reg           run,
    output reg           begins,     // pulses: probe table, counters and streams start anew
    output wire          probe_we,
    output wire [47:0]   probe_data,
    output wire          step_valid,
    input  wire          step_ready,
    output wire [7:0]    step_data
);
    localparam [7:0] HELLO = 8'd1, WRITE = 8'd2, DIGEST = 8'd3, COMMIT = 8'd4, BEGIN_RUN = 8'd5,
                     STEPS = 8'd6, STATUS = 8'd7;
    localparam [7:0] OK = 8'd0, NO_IMAGE = 8'd1, BAD_REQUEST = 8'd2, OUT_OF_ORDER = 8'd3, DIFFERS = 8'd4;

    localparam [4:0] IDLE = 5'd0, TYPE = 5'd1, SEQ = 5'd2, DISPATCH = 5'd3, COLLECT = 5'd4,
                     RANGE_FIRST = 5'd5, RANGE_NEXT = 5'd6, RANGE_LAST = 5'd7, STORE = 5'd8,
                     ADDRESS = 5'd9, COUNT = 5'd10, EXPECT = 5'd11, DIGEST_RUN = 5'd12, DIGEST_END = 5'd13,
                     HASH = 5'd14, ENTRY = 5'd15, PROBE = 5'd16, STREAM = 5'd17, REPLY = 5'd18,
                     SEND = 5'd19, CLOSE = 5'd20, SETTLE = 5'd21;

    reg [4:0]  state, after;      // `after`: where COLLECT goes
    reg [7:0]  kind, seq, status, expected_seq;
    reg [47:0] field;             // the last bytes collected, the latest on top
    reg [2:0]  field_left;
    reg        valid;             // the image is valid
    reg        streaming;         // STEPS may come: a run has begun

    wire [31:0] word = field[47:16];
    // Less is left than an entry takes: 12 bytes, or 6.
    wire        lacks = kind == COMMIT ? left[PW:4] == 0 && left[3:2] != 2'b11 : left[PW:3] == 0 && left[2:1] != 2'b11;

    assign cfg_we    = state == STORE;
    assign cfg_wdata = word;

    // ---------------------------------------------------------------- bytes of the request
    localparam [PW-1:0] START = { {(PW-2){1'b1}}, 2'b00};
    reg  [PW-1:0] pos;            // of the next one; the first stands at START
    wire          starts = state == IDLE && frame_valid && !frame_done;
    wire          step_taken = state == STREAM && left != 0 && step_ready;
    wire          hashes = state == HASH && hash_ready;
    assign        advance = state == TYPE || state == SEQ || state == COLLECT || hashes || step_taken;
    wire [7:0]    value = frame_rdata;

    assign frame_re    = starts || advance;
    assign frame_raddr = pos;
    assign step_valid  = state == STREAM && left != 0;
    assign step_data   = value;

    // ---------------------------------------------------------------- digest of memories
    // A word takes as many cycles as its address stands, and arrives when that is over: while the next is asked for.
    localparam PARTS = 32 / DIGEST_BITS;
    localparam DW    = $clog2(PARTS);
    reg  [31:0] crc;
    reg  [20:0] count;            // words, then the words but one; below zero when all are asked for
    reg         vast;             // more words than any memory has, or up to an address beyond all
    reg  [DW-1:0] part;
    reg         arrives;
    reg  [7:0]  section;
    wire [31:0] crc_next;
    crc32 #(.BITS(DIGEST_BITS)) digest (.crc(crc), .data(cfg_rdata[part*DIGEST_BITS +: DIGEST_BITS]), .next(crc_next));

    // To the last word of a range and back to the first; else on to the next.
    wire        to_last  = state == RANGE_NEXT;
    wire [20:0] distance = to_last ? count : state == RANGE_LAST ? ~count : 21'd0;
    wire [20:0] cfg_next = {1'b0, cfg_addr[19:0]} + distance + {20'd0, !to_last};

    // ---------------------------------------------------------------- reply: type and seq, then its payload
    // HELLO and STATUS tell bytes of `counters`, which takes up to six cycles for finding one.
    localparam [6:0] COUNTED = 7'd32, COUNTED_LAST = 7'd57, IDENTITY = 7'd68, HASH_FIRST = 7'd96, HASH_LAST = 7'd127;
    reg  [2:0]   at;              // byte of the header, then of the payload
    reg          header_sent, telling;
    reg  [2:0]   found;           // all set: the byte told is the one asked for
    wire         tells = kind == HELLO || kind == STATUS;
    wire [7:0]   condition = {6'd0, streaming, valid && !streaming};
    wire [2:0]   last = kind == WRITE || kind == DIGEST ? 3'd4 : kind == COMMIT ? 3'd1 : 3'd0;
    wire [7:0]   lead = !tells ? status : (kind == HELLO) == at[0] ? condition : {6'd0, !at[0], 1'b0};  // protocol 2
    wire [7:0]   number = kind == WRITE ? field[7:0] : kind == DIGEST ? ~crc[7:0] : section;  // the next byte of it

    assign copy_wanted = state == REPLY && kind == STATUS && has_line;
    assign hash_we     = hashes && told_at[0];
    assign hash_data   = {value, field[47:40]};
    assign working    = state != IDLE;
    assign wants_line = state == REPLY || state == SEND || state == CLOSE;
    assign out_valid  = state == SEND && (PATIENT == 0 || !telling || &found);
    assign out_data   = telling ? (told_at[6:5] == 2'b11 && !valid ? 8'd0 : told)
                      : !header_sent ? (at == 0 ? kind | 8'h80 : seq)
                      : at == 0 || tells ? lead : number;
    assign cfg_last   = state == DIGEST_RUN && &part;
    assign out_close  = state == CLOSE;
    assign probe_we   = state == PROBE;
    assign probe_data = field;

    always @(posedge clk) begin
        frame_done <= 1'b0;
        begins     <= 1'b0;
        if (frame_re) pos <= pos + 1'b1;
        case (state)
            IDLE: begin
                section <= 0;
                status  <= OK;
                if (starts) state <= TYPE;
            end
            TYPE: begin
                kind  <= value;
                state <= SEQ;
            end
            SEQ: begin
                seq   <= value;
                state <= DISPATCH;
            end
            DISPATCH: begin
                field_left <= 3'd4;
                after      <= ADDRESS;
                told_at    <= kind == COMMIT ? HASH_FIRST : kind == HELLO ? IDENTITY : COUNTED;
                case (kind)
                    HELLO, STATUS: state <= REPLY;
                    WRITE, DIGEST: begin
                        if (kind == WRITE ? left < 8 || left[1:0] != 0 : left != 8) begin
                            status <= BAD_REQUEST;
                            state  <= REPLY;
                        end else state <= COLLECT;
                    end
                    COMMIT: begin
                        run       <= 1'b0;
                        streaming <= 1'b0;
                        valid     <= 1'b0;
                        if (left < 32) status <= BAD_REQUEST;
                        state <= left < 32 ? REPLY : HASH;
                    end
                    BEGIN_RUN: begin
                        run       <= 1'b0;
                        streaming <= 1'b0;
                        begins    <= valid;
                        if (!valid) status <= NO_IMAGE;
                        state <= valid ? ENTRY : REPLY;
                    end
                    STEPS: begin
                        if (!streaming) status <= NO_IMAGE;
                        else if (seq != expected_seq) status <= OUT_OF_ORDER;
                        else expected_seq <= expected_seq + 1'b1;
                        state <= streaming && seq == expected_seq ? STREAM : REPLY;
                    end
                    default: begin
                        status <= BAD_REQUEST;
                        state  <= REPLY;
                    end
                endcase
            end
            COLLECT: begin
                field      <= {value, field[47:8]};
                field_left <= field_left - 1'b1;
                if (field_left == 1) state <= after;
            end

            // --- WRITE, DIGEST and COMMIT: address, then count (given, or the payload's words)
            ADDRESS: begin
                cfg_addr   <= word;
                field_left <= 3'd4;
                after      <= COUNT;
                count      <= {{(22-PW){1'b0}}, left[PW:2]};
                vast       <= 1'b0;
                state <= kind == WRITE ? RANGE_FIRST : COLLECT;
            end
            COUNT: begin
                count      <= {1'b0, word[19:0]};
                vast       <= word[31:20] != 0;
                field_left <= 3'd4;
                after      <= EXPECT;
                state      <= kind == COMMIT ? COLLECT : RANGE_FIRST;
            end
            EXPECT: state <= RANGE_FIRST;  // `word` stays the expected digest
            RANGE_FIRST: begin
                count <= count - 1'b1;
                if (!cfg_in_range) status <= BAD_REQUEST;
                state <= RANGE_NEXT;
            end
            RANGE_NEXT: begin
                cfg_addr[19:0] <= cfg_next[19:0];
                vast           <= vast || cfg_next[20];
                state          <= RANGE_LAST;
            end
            RANGE_LAST: begin
                cfg_addr[19:0] <= cfg_next[19:0];
                crc            <= 32'hFFFFFFFF;
                field_left     <= 3'd4;
                after          <= STORE;
                part           <= 0;
                arrives        <= 1'b0;
                if (status != OK || !cfg_in_range || count[20] || vast) begin
                    status <= BAD_REQUEST;
                    state  <= REPLY;
                end else begin
                    run       <= 1'b0;
                    streaming <= 1'b0;
                    if (kind == WRITE) valid <= 1'b0;
                    state <= kind == WRITE ? COLLECT : SETTLE;
                end
            end
            SETTLE: state <= DIGEST_RUN;  // the cores come to rest
            STORE: begin
                cfg_addr[19:0] <= cfg_next[19:0];
                field_left     <= 3'd4;
                state          <= left == 0 ? REPLY : COLLECT;
            end
            DIGEST_RUN: begin
                part <= part + 1'b1;
                if (arrives) crc <= crc_next;
                if (cfg_last) begin
                    arrives        <= !count[20];
                    count          <= count - 1'b1;
                    cfg_addr[19:0] <= cfg_next[19:0];
                    if (count[20]) state <= DIGEST_END;
                end
            end
            DIGEST_END: begin
                if (kind == DIGEST) state <= REPLY;
                else if (~crc != word) begin
                    status <= DIFFERS;
                    state  <= REPLY;
                end else begin
                    section <= section + 1'b1;
                    state   <= ENTRY;
                end
            end

            // --- COMMIT: hash, then entries; BEGIN: entries
            HASH: if (hash_ready) begin
                field   <= {value, field[47:8]};
                told_at <= told_at + 1'b1;
                if (told_at == HASH_LAST) state <= ENTRY;
            end
            ENTRY: begin
                field_left <= kind == COMMIT ? 3'd4 : 3'd6;
                after      <= kind == COMMIT ? ADDRESS : PROBE;
                if (left == 0) begin
                    if (kind == COMMIT) valid <= 1'b1;
                    else begin
                        run          <= 1'b1;
                        streaming    <= 1'b1;
                        expected_seq <= seq + 1'b1;
                    end
                    state <= REPLY;
                end else if (lacks) begin
                    status <= BAD_REQUEST;
                    state  <= REPLY;
                end else state <= COLLECT;
            end
            PROBE: begin
                section <= section + 1'b1;
                if (section == 8'd32) begin
                    status <= BAD_REQUEST;
                    state  <= REPLY;
                end else state <= ENTRY;
            end

            STREAM: if (left == 0 && step_ready) state <= REPLY;

            // --- reply
            REPLY: begin
                header_sent <= 1'b0;
                telling     <= 1'b0;
                found       <= 3'd0;
                at          <= 0;
                if (kind == WRITE) field[31:0] <= cfg_addr;
                if (has_line && (kind != STATUS || copy_taken)) state <= SEND;
            end
            SEND: if (!out_valid) found <= found + 1'b1;
            else if (out_ready) begin
                at <= at + 1'b1;
                if (header_sent && at != 0) begin
                    field <= field >> 8;
                    crc   <= crc >> 8;
                end
                if (telling) told_at <= told_at + 1'b1;
                found <= 3'd0;
                if (!header_sent && at == 1) begin
                    header_sent <= 1'b1;
                    at          <= 0;
                end else if (header_sent && tells) begin
                    if (at == 1) telling <= 1'b1;
                    if (telling && told_at == (kind == HELLO ? HASH_LAST : COUNTED_LAST)) state <= CLOSE;
                end else if (header_sent && at == last) state <= CLOSE;
            end
            CLOSE: if (out_close_ready) begin
                pos        <= START;
                frame_done <= 1'b1;
                state      <= IDLE;
            end
            default: state <= IDLE;
        endcase
        if (rst) begin
            state     <= IDLE;
            pos       <= START;
            run       <= 1'b0;
            valid     <= 1'b0;
            streaming <= 1'b0;
        end
    end
endmodule
