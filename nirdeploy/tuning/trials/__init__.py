"""What a choice of bits comes to: trials, each measured once, by processes or machines, and kept."""
