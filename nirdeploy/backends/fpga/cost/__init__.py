"""What a network and its hardware cost: cycles, blocks and logic."""
