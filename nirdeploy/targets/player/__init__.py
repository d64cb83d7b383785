"""Passes played on the board: an image of several passes as a program in external memory (docs/external-memory.md)."""
