"""Whatever answers on a port: the link's frames and protocol, flashing, running."""
