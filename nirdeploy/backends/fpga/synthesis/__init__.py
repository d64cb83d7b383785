"""From a board's hardware description to its bitstream: Yosys, nextpnr and the packers that PyPI carries."""
