// CRC-32 (reflected 0xEDB88320, as zlib.crc32 before its final inversion) over BYTES bytes at once,
// the lowest byte first.
module crc32 #(
    parameter BYTES = 1
) (
    input  wire [31:0]        crc,
    input  wire [8*BYTES-1:0] data,
    output reg  [31:0]        next
);
    integer i;
    always @* begin
        next = crc;
        for (i = 0; i < 8 * BYTES; i = i + 1)
            next = (next >> 1) ^ ({32{next[0] ^ data[i]}} & 32'hEDB88320);
    end
endmodule
