"""Where the steps of a stream come from."""
