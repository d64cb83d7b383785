"""where: the line of the user's code that a call comes from."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

_OURS = str(Path(__file__).parent)
_TORCH = str(Path(torch.__file__).parent)
#: Frameworks' own plumbing between a user's forward and a layer, by path below site-packages.
_PLUMBING = (
    "spikingjelly/activation_based/base",
    "spikingjelly/activation_based/layer",
    "spikingjelly/activation_based/functional",
    "spikingjelly/activation_based/neuron",
    "norse/torch/module",
    "sinabs/layers",
    "snntorch/_neurons",
    "rockpool/nn/",
    "rockpool/utilities",
)


def calling_line() -> str:
    """``file:line`` of the innermost frame that is neither torch's nor a framework's plumbing nor ours."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        plumbing = name.startswith((_OURS, _TORCH, "<")) or any(part in name for part in _PLUMBING)
        if not plumbing and "contextlib" not in name:
            return f"{_short(name)}:{frame.f_lineno}"
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "an unknown line"


def _short(name: str) -> str:
    path = Path(name)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else name
