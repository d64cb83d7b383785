"""The exchange: PyTorch modules to NIR graphs, and NIR graphs to trainable PyTorch modules.

Names are imported when they are first used: a command that needs no PyTorch does not wait for it.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nirdeploy.exchange.exporter import export_to_nir
    from nirdeploy.exchange.importer import import_from_nir
    from nirdeploy.exchange.modules import (
        IF,
        LI,
        LIF,
        CubaLI,
        CubaLIF,
        Delay,
        I,
        MultiStep,
        Recurrent,
        Scale,
        Sequential,
        SumPool2d,
        Threshold,
    )

__all__ = [
    "IF",
    "LI",
    "LIF",
    "CubaLI",
    "CubaLIF",
    "Delay",
    "I",
    "MultiStep",
    "Recurrent",
    "Scale",
    "Sequential",
    "SumPool2d",
    "Threshold",
    "export_to_nir",
    "import_from_nir",
]

_HOMES = {"export_to_nir": "exporter", "import_from_nir": "importer"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'modules')}"), name)


def __dir__() -> list[str]:
    return list(__all__)
