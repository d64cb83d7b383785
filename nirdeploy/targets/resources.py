"""Where the target files and templates are: in a checkout beside the package, in a wheel inside it."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def _folder(name: str) -> Path:
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def targets_dir() -> Path:
    """The folder of target files (``*.toml``)."""
    return _folder("targets")


def templates_dir() -> Path:
    """The folder of template folders, one per family of targets."""
    return _folder("templates")
