"""SpikingJelly: its modules mix with torch's and our own, as ``export_to_nir`` takes them."""

from __future__ import annotations

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange.frontends import torch_


def export(net: nn.Module, example_input: torch.Tensor, dt: float | None) -> nir.NIRGraph:
    """The NIR graph of a net whose example is (B, ...), or (T, B, ...) in step_mode 'm'.

    Raises:
        ExportError: lists every module and call that NIR has no node for.
    """
    step = 1e-4 if dt is None else dt
    if not (step > 0 and np.isfinite(step)):
        raise ExportError(f"dt must be a positive number of seconds, not {dt!r}", hint="leave it out for the default")
    return torch_.export(net, (example_input,), step)
