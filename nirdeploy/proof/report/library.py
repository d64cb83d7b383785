"""library: Plotly's own script, as a page holds it: packed, so that a page is two megabytes and not five.

A browser unpacks it by itself (DecompressionStream, in every browser since 2023). It is a package beside us, which is
read as a file: nothing of it is imported, and nothing is fetched, when a page is made or when it is read.
"""

from __future__ import annotations

import base64
import functools
import gzip
import importlib.util
from pathlib import Path

from nirdeploy.errors import ToolMissing
from nirdeploy.records.pictures.figure import INSTALL

_SCRIPT = "package_data/plotly.min.js"


def check() -> None:
    """Raises :class:`ToolMissing` where pages with charts cannot be made."""
    _path()


@functools.cache
def packed() -> str:
    """The script, compressed and in base64: the same bytes whenever and wherever. Raises :class:`ToolMissing`."""
    return base64.b64encode(gzip.compress(_path().read_bytes(), 9, mtime=0)).decode()


def _path() -> Path:
    found = importlib.util.find_spec("plotly")
    path = None if found is None or found.origin is None else Path(found.origin).parent / _SCRIPT
    if path is None or not path.is_file():
        raise ToolMissing("the charts of a page are drawn by plotly, which is not installed", hint=INSTALL)
    return path
