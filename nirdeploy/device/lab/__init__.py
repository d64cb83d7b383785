"""lab: boards by name: the file that names them, who has which, and their power."""
