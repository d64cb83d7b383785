// Carries out one request at a time (docs/link.md): writes and checks memories, starts runs, answers.
module command #(
    parameter MAX_BODY = 512,
    parameter PW       = $clog2(MAX_BODY)
) (
    input  wire          clk,
    input  wire          rst,
    // request
    input  wire          frame_valid,
    input  wire [PW:0]   frame_length,
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
    // what HELLO and STATUS say
    input  wire [207:0]  identity,   // HELLO after `state`, up to the signature, first byte lowest
    input  wire [15:0]   bad_frames,
    input  wire [63:0]   cycles,
    input  wire [63:0]   busy_cycles,
    input  wire [31:0]   steps,
    input  wire [31:0]   saturations,
    // configuration of the fabric
    output reg           cfg_we,
    output reg  [31:0]   cfg_addr,
    output reg  [31:0]   cfg_wdata,
    input  wire          cfg_in_range,
    input  wire [31:0]   cfg_rdata,  // four cycles after cfg_addr
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
                     RANGE_FIRST = 5'd5, RANGE_LAST = 5'd6, RANGE_SEEN = 5'd7, STORE = 5'd8,
                     ADDRESS = 5'd9, COUNT = 5'd10, EXPECT = 5'd11, DIGEST_RUN = 5'd12, DIGEST_END = 5'd13,
                     HASH = 5'd14, ENTRY = 5'd15, PROBE = 5'd16, STREAM = 5'd17, REPLY = 5'd18,
                     SEND = 5'd19, SEND_HASH = 5'd20, CLOSE = 5'd21, SETTLE = 5'd22;

    reg [4:0]  state, after;      // `after`: where COLLECT goes
    reg [7:0]  kind, seq, status, expected_seq;
    reg [PW:0] left;              // payload bytes not yet read
    reg [47:0] field;             // the last bytes collected, the latest on top
    reg [2:0]  field_left;
    reg        valid;             // the image is valid
    reg        streaming;         // STEPS may come: a run has begun

    wire [31:0] word = field[47:16];

    // ---------------------------------------------------------------- bytes of the request
    reg  [PW-1:0] pos;
    wire          step_taken = state == STREAM && left != 0 && step_ready;
    wire          advance = state == TYPE || state == SEQ || state == COLLECT || state == HASH || step_taken;
    wire [7:0]    value = frame_rdata;

    assign frame_raddr = advance ? pos + 1'b1 : pos;
    assign step_valid  = state == STREAM && left != 0;
    assign step_data   = value;

    // ---------------------------------------------------------------- image hash
    reg  [4:0] hash_pos;
    wire [7:0] hash_byte;
    ram #(.WIDTH(8), .DEPTH(32)) image_hash (
        .clk(clk), .we(state == HASH), .waddr(hash_pos), .wdata(value),
        .re(1'b1), .raddr(state == SEND_HASH && out_ready ? hash_pos + 1'b1 : hash_pos), .rdata(hash_byte)
    );

    // ---------------------------------------------------------------- digest of memories
    reg  [31:0] first, crc;
    reg  [20:0] count;            // words, then the words but one; below zero when all are asked for
    reg         vast;             // more words than any memory has
    reg  [3:0]  in_flight;        // one bit per cycle of the read's latency
    reg  [7:0]  section;
    wire [31:0] crc_next;
    crc32 #(.BYTES(4)) digest (.crc(crc), .data(cfg_rdata), .next(crc_next));

    wire        asking = state == DIGEST_RUN && !count[20];
    wire [31:0] cfg_next = cfg_addr + (state == RANGE_LAST ? {11'd0, count} : 32'd1);

    // ---------------------------------------------------------------- reply: type and seq, then its payload
    reg  [207:0] counted;         // STATUS, from bad_frames on: all of it as it was at one time
    reg  [4:0]   at;              // byte of the header or the payload
    reg          header_sent;
    reg  [7:0]   payload;
    reg  [4:0]   last;            // byte of the payload
    wire [7:0]   condition = {6'd0, streaming, valid && !streaming};
    wire [223:0] greeting = {identity, condition, 8'd1};
    wire [31:0]  answer = kind == WRITE ? first : kind == DIGEST ? ~crc : {24'd0, section};
    wire [1:0]   answer_byte = at[1:0] - 1'b1;

    always @* begin
        case (kind)
            HELLO: {last, payload} = {5'd27, greeting[at*8 +: 8]};
            STATUS: {last, payload} = {5'd27, at == 0 ? condition : at == 1 ? 8'd0 : counted[7:0]};
            WRITE, DIGEST: {last, payload} = {5'd4, at == 0 ? status : answer[answer_byte*8 +: 8]};
            COMMIT: {last, payload} = {5'd1, at == 0 ? status : answer[7:0]};
            default: {last, payload} = {5'd0, status};
        endcase
    end

    assign working    = state != IDLE;
    assign wants_line = state == REPLY || state == SEND || state == SEND_HASH || state == CLOSE;
    assign out_valid  = state == SEND || state == SEND_HASH;
    assign out_data   = state == SEND_HASH ? (valid ? hash_byte : 8'd0)
                      : header_sent ? payload : at == 0 ? kind | 8'h80 : seq;
    assign out_close  = state == CLOSE;
    assign probe_we   = state == PROBE;
    assign probe_data = field;

    always @(posedge clk) begin
        frame_done <= 1'b0;
        cfg_we     <= 1'b0;
        begins     <= 1'b0;
        in_flight  <= {in_flight[2:0], asking};
        if (advance) begin
            pos  <= pos + 1'b1;
            left <= left - 1'b1;
        end
        case (state)
            IDLE: begin
                pos     <= 0;
                section <= 0;
                status  <= OK;
                if (frame_valid && !frame_done) begin
                    left  <= frame_length - 4;
                    state <= TYPE;
                end
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
                hash_pos   <= 0;
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
                first      <= word;
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
                cfg_addr <= first;
                count    <= count - 1'b1;
                state    <= RANGE_LAST;
            end
            RANGE_LAST: begin
                cfg_addr <= cfg_next;
                state    <= cfg_in_range ? RANGE_SEEN : REPLY;
                if (!cfg_in_range) status <= BAD_REQUEST;
            end
            RANGE_SEEN: begin
                cfg_addr   <= first;
                crc        <= 32'hFFFFFFFF;
                field_left <= 3'd4;
                after      <= STORE;
                if (!cfg_in_range || cfg_addr[31:20] != first[31:20] || count[20] || vast) begin
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
                cfg_we     <= 1'b1;
                cfg_addr   <= first;
                cfg_wdata  <= word;
                first      <= first + 1'b1;
                field_left <= 3'd4;
                state      <= left == 0 ? REPLY : COLLECT;
            end
            DIGEST_RUN: begin
                if (asking) begin
                    count    <= count - 1'b1;
                    cfg_addr <= cfg_next;
                end else if (in_flight == 0) state <= DIGEST_END;
                if (in_flight[3]) crc <= crc_next;
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
            HASH: begin
                hash_pos <= hash_pos + 1'b1;
                if (hash_pos == 5'd31) state <= ENTRY;
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
                end else if (left < (kind == COMMIT ? 12 : 6)) begin
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
                hash_pos    <= 0;
                counted     <= {saturations, steps, busy_cycles, cycles, bad_frames};
                at          <= 0;
                if (has_line) state <= SEND;
            end
            SEND: if (out_ready) begin
                at <= at + 1'b1;
                if (!header_sent && at == 1) begin
                    header_sent <= 1'b1;
                    at          <= 0;
                end else if (header_sent) begin
                    if (at[4:1] != 0) counted <= counted >> 8;
                    if (at == last) state <= kind == HELLO ? SEND_HASH : CLOSE;
                end
            end
            SEND_HASH: if (out_ready) begin
                hash_pos <= hash_pos + 1'b1;
                if (hash_pos == 5'd31) state <= CLOSE;
            end
            CLOSE: if (out_close_ready) begin
                frame_done <= 1'b1;
                state      <= IDLE;
            end
            default: state <= IDLE;
        endcase
        if (rst) begin
            state     <= IDLE;
            run       <= 1'b0;
            valid     <= 1'b0;
            streaming <= 1'b0;
        end
    end
endmodule
