"""Trainable spiking modules in plain PyTorch, on the equations of :mod:`nirdeploy.semantics.neuron`.

``step_mode="m"``: the input is (T, B, ...), every call starts from rest, the output is (T, B, ...), so
an ``nn.Sequential`` of ``nn.Linear`` and neurons trains as it is. ``step_mode="s"``: one step, (B, ...);
the state is passed in and out: ``out, state = neuron(x, state)``.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from nirdeploy.errors import UsageProblem
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics import neuron as equations
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.neuron import Rules, State


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


class _MultiSpike(torch.autograd.Function):
    """How many thresholds fit into the membrane; backward as if each were crossed linearly."""

    @staticmethod
    def forward(ctx: Any, thresholds: torch.Tensor, inclusive: bool, most: int) -> torch.Tensor:
        ctx.save_for_backward(thresholds)
        whole = torch.floor(thresholds) if inclusive else torch.ceil(thresholds) - 1
        return torch.clamp(whole, min=0, max=most or None)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (thresholds,) = ctx.saved_tensors
        return gradient * (thresholds > 0.5), None, None


def _fire(above: torch.Tensor, rules: Rules) -> torch.Tensor:
    inclusive = rules.threshold == ">="
    if rules.multi:
        return _MultiSpike.apply(above, inclusive, rules.max_spikes)  # type: ignore[no-untyped-call, no-any-return]
    return _Spike.apply(above, inclusive)  # type: ignore[no-untyped-call, no-any-return]


def _many(module: Any, x: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
    outputs = []
    for now in x:
        out, state = module.step(now, state)
        outputs.append(out)
    if state is None:
        raise UsageProblem("there are no steps: the input is empty", hint="give at least one: (T, B, ...)")
    return torch.stack(outputs), state


class Neuron(nn.Module):
    """Base of the neuron modules: parameters in NIR's names, scalars or tensors of the neurons' shape.

    Args:
        params: NIR parameter values.
        dialect: preset string or Dialect; decides how the equation becomes steps.
        dt: seconds per step; overrides the dialect's.
        step_mode: "s" or "m".
        learn: names of the parameters to train; the others are buffers.
        recurrent: its own spikes come back to it (some dialects reset such neurons otherwise).
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
        recurrent: bool = False,
    ) -> None:
        super().__init__()
        if step_mode not in ("s", "m"):
            raise UsageProblem(
                f"step_mode is 's' (one step) or 'm' (many), not {step_mode!r}", hint="step_mode='m' takes (T, B, ...)"
            )
        unknown = set(learn) - set(params)
        if unknown:
            raise UsageProblem(f"a {type(self).__name__} has no parameter {sorted(unknown)} to learn")
        chosen = dialect if isinstance(dialect, Dialect) else dialects.parse(dialect)
        self.dialect = chosen if dt is None else dialects.parse(f"{chosen},dt={float(dt)!r}")
        self.rules = equations.rules(self.model, self.dialect, recurrent=recurrent)
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
        return {name: getattr(self, name) for name in equations.PARAMETERS[self.model]}

    def at_rest(self, x: torch.Tensor) -> State:
        """The state before the first step, for an input like ``x``."""
        return equations.at_rest(self.nir_parameters(), self.rules, torch.zeros_like(x))

    def step(self, x: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
        """One step: input current (B, ...) and state (None: at rest) to output and state."""
        params = self.nir_parameters()
        how = equations.coefficients(self.model, params, self.dialect)
        state = self.at_rest(x) if state is None else state
        out, state = equations.step(self.model, state, x, params, how, self.rules, _fire)
        return out, state

    def forward(self, x: torch.Tensor, state: State | None = None) -> Any:
        """``step_mode`` "m": (T, B, ...) to (T, B, ...); "s": (output, state)."""
        if self.step_mode == "s":
            return self.step(x, state)
        return self.many(x, state)[0]

    def many(self, x: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
        """All steps of (T, B, ...); the output and the last state."""
        return _many(self, x, state)

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


class CubaLIF(Neuron):
    """A LIF whose current is tau_syn di/dt = -i + w_in I. ``tau_syn``, ``tau_mem`` in seconds."""

    model = "CubaLIF"

    def __init__(
        self,
        tau_syn: Any,
        tau_mem: Any,
        r: Any = 1.0,
        v_leak: Any = 0.0,
        v_threshold: Any = 1.0,
        v_reset: Any = 0.0,
        w_in: Any = 1.0,
        **options: Any,
    ) -> None:
        membrane = {"tau_syn": tau_syn, "tau_mem": tau_mem, "r": r, "v_leak": v_leak}
        super().__init__({**membrane, "v_threshold": v_threshold, "v_reset": v_reset, "w_in": w_in}, **options)


class LI(Neuron):
    """tau dv/dt = (v_leak - v) + r I; the output is the membrane. ``tau`` in seconds."""

    model = "LI"

    def __init__(self, tau: Any, r: Any = 1.0, v_leak: Any = 0.0, **options: Any) -> None:
        super().__init__({"tau": tau, "r": r, "v_leak": v_leak}, **options)


class I(Neuron):  # noqa: E742 - NIR's name
    """dv/dt = r I; the output is the membrane. Default ``r`` = 1 / dt."""

    model = "I"

    def __init__(self, r: Any = None, *, dt: float = 1e-4, **options: Any) -> None:
        super().__init__({"r": 1.0 / dt if r is None else r}, dt=dt, **options)


class CubaLI(Neuron):
    """A LI whose current is tau_syn di/dt = -i + w_in I; the output is the membrane."""

    model = "CubaLI"

    def __init__(
        self, tau_syn: Any, tau_mem: Any, r: Any = 1.0, v_leak: Any = 0.0, w_in: Any = 1.0, **options: Any
    ) -> None:
        params = {"tau_syn": tau_syn, "tau_mem": tau_mem, "r": r, "v_leak": v_leak, "w_in": w_in}
        super().__init__(params, **options)


class Threshold(Neuron):
    """A spike wherever the input exceeds ``threshold``; no state."""

    model = "Threshold"

    def __init__(self, threshold: Any = 1.0, **options: Any) -> None:
        super().__init__({"threshold": threshold}, **options)


NEURONS: dict[str, type[Neuron]] = {kind.model: kind for kind in (IF, LIF, CubaLIF, LI, I, CubaLI, Threshold)}


class Recurrent(nn.Module):
    """A population whose own spikes come back, one step later, through ``feedback`` (a layer, as nn.Linear)."""

    def __init__(self, neuron: Neuron, feedback: nn.Module) -> None:
        super().__init__()
        recurrent = copy.copy(neuron)
        recurrent.rules = equations.rules(neuron.model, neuron.dialect, recurrent=True)
        self.neuron, self.feedback = recurrent, feedback
        self.step_mode = neuron.step_mode

    def step(self, x: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
        """One step: input current (B, ...) and state (None: at rest) to output and state."""
        rest = state is None
        state = self.neuron.at_rest(x) if state is None else state
        before = state.v if state.z is None else state.z
        back = self.feedback(before)
        if rest and self.neuron.dialect.recurrent_bias == "late":
            back = 0.0 * back
        return self.neuron.step(x + back, state)

    def many(self, x: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
        """All steps of (T, B, ...); the output and the last state."""
        return _many(self, x, state)

    def forward(self, x: torch.Tensor, state: State | None = None) -> Any:
        """``step_mode`` "m": (T, B, ...) to (T, B, ...); "s": (output, state)."""
        return self.step(x, state) if self.step_mode == "s" else self.many(x, state)[0]


class Scale(nn.Module):
    """The input times ``scale`` (shape of one sample)."""

    def __init__(self, scale: Any) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.as_tensor(scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


class SumPool2d(nn.Module):
    """Sums over windows of (B, C, H, W)."""

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        summed: torch.Tensor = nn.functional.avg_pool2d(
            x, self.kernel_size, self.stride, self.padding, divisor_override=1
        )
        return summed


class Delay(nn.Module):
    """The input of ``delay`` seconds before (whole steps of ``dt``; one value, or one per signal)."""

    def __init__(self, delay: Any, *, dt: float = 1e-4, step_mode: str = "m") -> None:
        super().__init__()
        self.register_buffer("delay", torch.as_tensor(delay, dtype=torch.get_default_dtype()))
        self.dt, self.step_mode = dt, step_mode

    def steps(self) -> torch.Tensor:
        return torch.round(self.get_buffer("delay") / self.dt).to(torch.int64)

    def step(self, x: torch.Tensor, past: State | None, closes_cycle: bool = False) -> tuple[torch.Tensor, State]:
        """``past.v`` (longest delay, B, ...): the inputs before, newest first."""
        steps = self.steps()
        if closes_cycle:  # the input comes from the step before already
            steps = torch.clamp(steps - 1, min=0)
        longest = int(steps.max())
        before = torch.zeros(longest, *x.shape, dtype=x.dtype, device=x.device) if past is None else past.v
        seen = torch.cat([x[None], before])
        index = steps.expand(x.shape)[None] if steps.ndim else steps.expand(1, *x.shape)
        return torch.gather(seen, 0, index)[0], State(seen[:longest])

    def many(self, x: torch.Tensor, past: State | None) -> tuple[torch.Tensor, State]:
        return _many(self, x, past)

    def forward(self, x: torch.Tensor, state: State | None = None) -> Any:
        return self.step(x, state) if self.step_mode == "s" else self.many(x, state)[0]


class MultiStep(nn.Sequential):
    """Layers without state on (T, B, ...), as if time were batch: ``MultiStep(nn.Conv2d(1, 8, 3))``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x.flatten(0, 1)
        for module in self:
            out = module(out)
        spread: torch.Tensor = out.unflatten(0, x.shape[:2])
        return spread


class Sequential(nn.Sequential):
    """Layers and neurons one behind the other, in either step mode.

    Multi-step neurons: (T, B, ...) to (T, B, ...), layers in between take each step. Single-step neurons: one step
    (B, ...), with the states of all of them: ``out, states = net(x, states)``, None at rest.
    """

    def forward(self, x: torch.Tensor, states: list[State | None] | None = None) -> Any:
        stateful = [module for module in self if isinstance(module, (Neuron, Recurrent, Delay))]
        if any(module.step_mode == "s" for module in stateful):
            return self._single(x, states)
        for module in self:
            whole = isinstance(module, (Neuron, Recurrent, Delay, MultiStep))
            x = module(x) if whole or not stateful else module(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return x

    def _single(self, x: torch.Tensor, states: list[State | None] | None) -> tuple[torch.Tensor, list[State | None]]:
        given, after = iter(states or []), []
        for module in self:
            if isinstance(module, (Neuron, Recurrent, Delay)):
                x, state = module(x, next(given, None))
                after.append(state)
            else:
                x = module(x)
        return x, after
