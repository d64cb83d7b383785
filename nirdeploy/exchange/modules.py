"""Trainable spiking modules in plain PyTorch, on the equations of :mod:`nirdeploy.neuron`.

``step_mode="m"``: the input is (T, B, ...), every call starts from rest, the output is (T, B, ...), so
an ``nn.Sequential`` of ``nn.Linear`` and neurons trains as it is. ``step_mode="s"``: one step, (B, ...);
the state is passed in and out: ``out, state = neuron(x, state)``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nirdeploy import dialect as dialects
from nirdeploy import neuron
from nirdeploy.dialect import Dialect
from nirdeploy.errors import UsageProblem


class _Spike(torch.autograd.Function):
    """Heaviside forward; backward the derivative of arctan (Fang et al. 2021, with alpha = 2)."""

    @staticmethod
    def forward(ctx: Any, above: torch.Tensor, inclusive: bool) -> torch.Tensor:
        ctx.save_for_backward(above)
        return (above >= 0 if inclusive else above > 0).to(above.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (above,) = ctx.saved_tensors
        return gradient / (1 + (torch.pi * above) ** 2), None


class Neuron(nn.Module):
    """Base of the neuron modules: parameters in NIR's names, scalars or tensors of the neurons' shape.

    Args:
        params: NIR parameter values.
        dialect: preset string or Dialect; decides discretization, threshold and reset.
        dt: seconds per step; overrides the dialect's.
        step_mode: "s" or "m".
        learn: names of the parameters to train; the others are buffers.
    """

    model = ""

    def __init__(
        self,
        params: dict[str, Any],
        *,
        dialect: str | Dialect = "nir",
        dt: float | None = None,
        step_mode: str = "m",
        learn: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        if step_mode not in ("s", "m"):
            raise UsageProblem(f"step_mode is 's' (one step) or 'm' (many), not {step_mode!r}")
        unknown = set(learn) - set(params)
        if unknown:
            raise UsageProblem(f"a {type(self).__name__} has no parameter {sorted(unknown)} to learn")
        chosen = dialect if isinstance(dialect, Dialect) else dialects.parse(dialect)
        self.dialect = chosen if dt is None else dialects.parse(f"{chosen},dt={float(dt)!r}")
        self.step_mode = step_mode
        for name, value in params.items():
            exact = isinstance(value, torch.Tensor) and value.is_floating_point()
            tensor = torch.as_tensor(value, dtype=None if exact else torch.get_default_dtype()).clone()
            if name in learn:
                self.register_parameter(name, nn.Parameter(tensor))
            else:
                self.register_buffer(name, tensor)

    def nir_parameters(self) -> dict[str, torch.Tensor]:
        """Parameters by their NIR names."""
        return {name: getattr(self, name) for name in neuron.PARAMETERS[self.model]}

    def step(self, x: torch.Tensor, v: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """One step: input current (B, ...) and membrane (None: at rest) to output and membrane."""
        params = self.nir_parameters()
        v = neuron.integrate(self.model, torch.zeros_like(x) if v is None else v, x, params, self.dialect)
        if self.model not in neuron.SPIKING:
            return v, v
        spike = _Spike.apply(  # type: ignore[no-untyped-call]
            neuron.overdrive(v, params), self.dialect.threshold == ">="
        )
        # The reset is not differentiated through: it would cut the surrogate's path to the past.
        return spike, neuron.reset(v, spike.detach(), params, self.dialect)

    def forward(self, x: torch.Tensor, state: torch.Tensor | None = None) -> Any:
        """``step_mode`` "m": (T, B, ...) to (T, B, ...); "s": (output, state)."""
        if self.step_mode == "s":
            return self.step(x, state)
        return self.many(x, state)[0]

    def many(self, x: torch.Tensor, v: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """All steps of (T, B, ...); the output and the last membrane."""
        outputs = []
        for current in x:
            out, v = self.step(current, v)
            outputs.append(out)
        if v is None:
            raise UsageProblem("there are no steps: the input is empty")
        return torch.stack(outputs), v

    def extra_repr(self) -> str:
        return f"dialect={self.dialect}, step_mode={self.step_mode}"


class IF(Neuron):
    """dv/dt = r I; spikes. Default ``r`` = 1 / dt: the membrane adds its input."""

    model = "IF"

    def __init__(
        self, r: Any = None, v_threshold: Any = 1.0, v_reset: Any = 0.0, *, dt: float = 1e-4, **options: Any
    ) -> None:
        r = 1.0 / dt if r is None else r
        super().__init__({"r": r, "v_threshold": v_threshold, "v_reset": v_reset}, dt=dt, **options)


class LIF(Neuron):
    """tau dv/dt = (v_leak - v) + r I; spikes. ``tau`` in seconds."""

    model = "LIF"

    def __init__(
        self,
        tau: Any,
        r: Any = 1.0,
        v_leak: Any = 0.0,
        v_threshold: Any = 1.0,
        v_reset: Any = 0.0,
        **options: Any,
    ) -> None:
        params = {"tau": tau, "r": r, "v_leak": v_leak, "v_threshold": v_threshold, "v_reset": v_reset}
        super().__init__(params, **options)


class LI(Neuron):
    """tau dv/dt = (v_leak - v) + r I; the output is the membrane. ``tau`` in seconds."""

    model = "LI"

    def __init__(self, tau: Any, r: Any = 1.0, v_leak: Any = 0.0, **options: Any) -> None:
        super().__init__({"tau": tau, "r": r, "v_leak": v_leak}, **options)


MODULES: dict[str, type[Neuron]] = {"IF": IF, "LIF": LIF, "LI": LI}
