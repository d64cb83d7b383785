"""checksum: of what a ``.nir`` file that we write holds, so that whoever reads it notices a change.

A dataset beside NIR's own, which other readers pass over. It is of the content, not of the bytes: the same graph
rewritten by HDF5's tools keeps it, and a tool that writes the graph anew drops it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nirdeploy.errors import ModelFileError
from nirdeploy.records import hdf5child, store

NAME = "nirdeploy_checksum"
_TEXT = re.compile(r"sha256:[0-9a-f]{64}")


def add(path: Path) -> None:
    """Write the checksum of a file of ours into it."""
    hdf5child.mark(str(path), NAME, _of)


def check(datasets: dict[str, np.ndarray], where: str) -> bool:
    """Take the checksum out of what a file holds; whether there was one.

    Under another name it counts as well: names can be damaged too.

    Raises :class:`ModelFileError` where the content is not what it is of.
    """
    names = [name for name, values in datasets.items() if "/" not in name and (name == NAME or _is_one(values))]
    texts = [str(datasets.pop(name)) for name in names]
    if not texts:
        return False
    if texts != [_of(datasets)]:
        raise ModelFileError(
            "the file does not hold what nirdeploy wrote: its checksum is of something else, so it is damaged, or was "
            "edited since",
            where=where,
            hint=f"export the network again; if it was edited on purpose, delete its dataset {NAME!r}",
        )
    return True


def _of(datasets: Mapping[str, np.ndarray]) -> str:
    """Of all datasets, and of the names of groups, which end in ``/``."""
    return f"sha256:{store.digest({}, datasets)}"


def _is_one(values: np.ndarray) -> bool:
    return values.dtype.kind == "U" and values.shape == () and bool(_TEXT.fullmatch(str(values)))
