"""From a NIR file or graph to a checked graph."""
