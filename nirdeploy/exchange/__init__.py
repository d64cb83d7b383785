"""The exchange: PyTorch modules to NIR graphs, and NIR graphs to trainable PyTorch modules."""

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
