"""Norse: LIFBoxCell, LIFCell, IAFCell, and the read-outs LIBoxCell and LICell; those with weights of their own
(LIFRecurrentCell, LILinearCell); and LIF, LIFRecurrent, IAF and LI, which take all steps at once.

Equations (``norse.torch.functional``, 1.1): the membrane moves by ``dt tau_mem_inv ((v_leak - v) + i)``; the current
of LIFCell and LICell has taken the input when it does and decays by ``1 - dt tau_syn_inv`` after it; IAFCell adds
its input. Membranes start at ``v_leak`` (IAFCell: at ``v_reset``), NIR's at 0: potentials are counted from there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange.frontends import common
from nirdeploy.exchange.table import Call, Part, Table, array, class_of
from nirdeploy.semantics.dialect import Dialect

#: Each class by the cell that it steps: over time, recurrent, or with weights of its own.
_KINDS = {
    **{kind: kind for kind in ("LIFBoxCell", "LIFCell", "IAFCell", "LIBoxCell", "LICell")},
    **dict.fromkeys(("LIF", "LIFRecurrent", "LIFRecurrentCell"), "LIFCell"),
    **dict.fromkeys(("LI", "LILinearCell"), "LICell"),
    "IAF": "IAFCell",
}
_RESETS: Any = {"reset_value": "zero", "reset_subtract": "subtract"}


def export(net: nn.Module, example_input: torch.Tensor, dt: float | None) -> nir.NIRGraph:
    """The NIR graph of a net of cells, such as ``SequentialState``, whose example is (B, ...), or (T, B, ...) for
    modules that take all steps at once.

    Raises:
        ExportError: cells that step by several dt, or by another than the one asked for; a read-out whose v_leak is
            not 0; and what has no NIR node.
    """
    steps = {name: float(module.dt) for name, module in net.named_modules() if _is_neuron(module)}
    if len(set(steps.values())) > 1:
        text = ", ".join(f"{name} by {step:g} s" for name, step in steps.items())
        raise ExportError(f"the net's cells step by several dt: {text}", hint="give all of them the same")
    own = next(iter(steps.values()), 1e-3)
    preset = common.with_dt("norse", dt, own)
    if steps and not np.isclose(preset.dt, own, rtol=1e-9):
        raise ExportError(
            f"the net's cells step by dt = {own:g} s, the export was asked for dt = {preset.dt:g} s",
            hint=f"ask for {own:g}",
        )
    return common.export(net, example_input, _Table(preset), preset)


def _is_neuron(module: nn.Module) -> bool:
    return class_of(module, "norse", _KINDS) is not None


class _Table(Table):
    package = "norse"
    places = ("norse.torch.module",)
    containers = ("SequentialState", "RecurrentSequential", "Lift")

    def __init__(self, preset: Dialect) -> None:
        super().__init__(preset.dt)
        self.preset = preset

    def is_neuron(self, module: nn.Module) -> bool:
        return _is_neuron(module)

    def form(self, module: nn.Module) -> tuple[str, ...]:
        kind = class_of(module, "norse", _KINDS) or ""
        return ("B",) if kind.endswith("Cell") else ("T", "B")

    def declared(self, net: nn.Module) -> int:
        return max((len(self.form(module)) for module in net.modules() if _is_neuron(module)), default=1)

    def restarts(self, module: nn.Module) -> bool:
        return True  # the state is handed in

    def neuron(self, call: Call) -> Part:
        made = _neuron(call, self.preset)
        if not hasattr(call.module, "input_weights"):
            return made
        back = getattr(call.module, "recurrent_weights", None)
        feedback = None if back is None else nir.Linear(array(back))
        return replace(made, weights=call.module.input_weights, feedback=feedback)


def _neuron(call: Call, preset: Dialect) -> Part:
    kind, p = _KINDS[class_of(call.module, "norse", _KINDS) or ""], call.module.p
    if kind == "IAFCell":
        start = common.per_neuron(p.v_reset, "v_reset", call)
        threshold = common.per_neuron(p.v_th, "v_th", call) - start
        return Part(nir.IF(r=np.full(call.leaving, 1 / preset.dt), v_threshold=threshold, v_reset=0 * start), preset)
    start = common.per_neuron(p.v_leak, "v_leak", call)
    values = {"r": np.ones(call.leaving), "v_leak": 0 * start}
    dialect = preset
    if kind in ("LIFBoxCell", "LIFCell"):
        dialect = replace(preset, reset=_reset(call))
        values["v_threshold"] = common.per_neuron(p.v_th, "v_th", call) - start
        # Norse subtracts v_th, a dialect v_threshold - v_reset.
        after = common.per_neuron(p.v_reset, "v_reset", call) if dialect.reset == "zero" else 0 * start
        values["v_reset"] = after - start
    elif start.any():
        raise common.refused(call, "a read-out with a v_leak starts there, NIR's at 0", hint="set v_leak to 0")
    tau = _time_constant("tau_mem_inv", call)
    if kind in ("LIFBoxCell", "LIBoxCell"):
        return Part((nir.LIF if kind == "LIFBoxCell" else nir.LI)(tau=tau, **values), dialect)
    tau_syn = _time_constant("tau_syn_inv", call)
    made = nir.CubaLIF if kind == "LIFCell" else nir.CubaLI
    return Part(made(tau_mem=tau, tau_syn=tau_syn, w_in=tau_syn / preset.dt, **values), dialect)


def _time_constant(key: str, call: Call) -> np.ndarray:
    """tau; of the rate ``dt key`` as Norse multiplies it, in the precision of its parameter."""
    given, dt = getattr(call.module.p, key), float(call.module.dt)
    inverse = common.per_neuron(given, key, call)
    if (inverse <= 0).any():
        raise common.refused(call, f"{key} = {inverse.min():g} has no time constant", hint="it must be positive")
    if isinstance(given, torch.Tensor) and given.dtype == torch.float64:
        return 1 / inverse
    return np.asarray(dt / common.per_neuron(dt * given, key, call))


def _reset(call: Call) -> Any:
    method = getattr(call.module.p, "reset_method", None)
    name = getattr(method, "__name__", "reset_value")
    if name not in _RESETS:
        raise common.refused(
            call, f"the reset_method {name} is none of {', '.join(_RESETS)}", hint="train it with one of these"
        )
    return _RESETS[name]
