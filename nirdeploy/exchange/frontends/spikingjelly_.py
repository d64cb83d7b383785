"""SpikingJelly: the exchange's own exporter, which knows its layers and neurons and both of its resets."""

from __future__ import annotations

import nir
import torch
from torch import nn

from nirdeploy.exchange import exporter


def export(net: nn.Module, example_input: torch.Tensor, dt: float | None) -> nir.NIRGraph:
    """The NIR graph of a net whose example is (B, ...), or (T, B, ...) in step_mode 'm'.

    Raises:
        ExportError: lists every module that NIR has no node for.
    """
    return exporter.export_to_nir(net, example_input, dt=1e-4 if dt is None else dt)
