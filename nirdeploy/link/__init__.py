"""The host's half of the link: frames, faults, ports, and a device in plain Python."""
