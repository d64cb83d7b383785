"""A tool that comes to no end, and says its process's number in a file; and one that ends at once."""

from __future__ import annotations

import os
import time
from pathlib import Path


def run_forever(arguments: list[str]) -> None:
    Path(arguments[0]).write_text(str(os.getpid()))
    time.sleep(600)


def run_at_once(arguments: list[str]) -> int:
    return len(arguments)
