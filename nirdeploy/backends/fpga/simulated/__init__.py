"""The same Verilog, compiled: the fabric alone, and the virtual board behind a pseudo-terminal."""
