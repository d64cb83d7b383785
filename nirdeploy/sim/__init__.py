"""Simulators: the float reference, the integer definition of the device, and the RTL itself."""
