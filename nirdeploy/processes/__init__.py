"""processes: how a Python process of ours is started, so that it imports what this one does and nothing else.

Never from the current folder: that is where users keep their data, and strangers' files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_HOME = str(Path(__file__).absolute().parents[2])  # of the nirdeploy that was imported, as the search path spells it


def command(*arguments: str) -> list[str]:
    """The command line of a Python that puts neither the current nor a script's folder on its search path."""
    return [sys.executable, "-P", *arguments]


def environment(added: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with its search path spelt out, and ``added`` to it."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(search_path()), **(added or {})}


def search_path() -> list[str]:
    """Where a child looks for packages: as this process does, in its order, but for the current folder.

    The folder of the imported nirdeploy stays, even if that is the current one (a checkout).
    """
    found = [path for path in map(os.path.abspath, filter(None, sys.path)) if path == _HOME or not _is_current(path)]
    return list(dict.fromkeys(found if _HOME in found else [_HOME, *found]))


def _is_current(path: str) -> bool:
    try:
        return Path(path).samefile(os.curdir)
    except OSError:  # not there
        return False
