"""hil: hardware in the loop: the plug-in by which pytest builds networks, has boards and compares spikes."""

#: The folder beside a test in which its goldens stand.
GOLDENS = "__goldens__"
