"""A placed network as the JSON that the rendered script builds lava's processes from."""

from __future__ import annotations

from typing import Any

from nirdeploy.backends.loihi2.synapses import mantissas
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import ChipPopulation, IntegerProjection
from nirdeploy.semantics.operators import Convolution, Dense
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target

#: Of the configuration file's fields.
VERSION = 1


def written(network: IntegerNetwork, placement: Placement, target: Target) -> dict[str, Any]:
    """Everything lava needs, in plain numbers and lists; sizes and orders as in the network (C order, channels first).

    ``populations``: LIF's registers; ``connections``: one process each, ``delay`` its steps; ``slices`` and
    ``cores``: the placement, for the reader (lava's compiler places by itself).
    """
    return {
        "version": VERSION,
        "target": target.name,
        "network": network.digest(),
        "dt": network.dt,
        "input_bits": network.input_bits,
        "inputs": [{"name": name, "shape": list(shape)} for name, shape in network.inputs],
        "populations": [_population(network.on_chip(p.name)) for p in network.populations],
        "connections": [_connection(p, network, target) for p in network.projections],
        "outputs": dict(network.outputs),
        "slices": [
            {"population": s.population, "core": s.core, "first": s.first, "count": s.count} for s in placement.slices
        ],
        "cores": [{"core": c.core, "used": dict(c.used), "limits": dict(c.limits)} for c in placement.cores],
    }


def _population(p: ChipPopulation) -> dict[str, Any]:
    registers = {name: p.registers[name].tolist() for name in ("v", "du", "dv", "vth", "u", "bias_mant", "bias_exp")}
    return {"name": p.name, "model": p.model, "shape": list(p.shape), "latency": p.latency, **registers}


def _connection(p: IntegerProjection, network: IntegerNetwork, target: Target) -> dict[str, Any]:
    graded = network.input_bits > 1 and p.source in {name for name, _ in network.inputs}
    common = {
        "source": p.source,
        "target": p.target,
        "delay": p.delay,
        "weights": p.weight.tolist(),
        "weight_exp": p.shift,
        "num_weight_bits": target.formats.weight_bits,
        "sign_mode": mantissas(p.weight, target.formats.weight_bits).sign_mode,
        "num_message_bits": network.input_bits if graded else 0,
    }
    if isinstance(p.operator, Dense):
        return {"kind": "dense", **common}
    if not isinstance(p.operator, Convolution):
        return {"kind": "one_to_one", **common}
    return {
        "kind": "convolution",
        **common,
        "input_shape": list(p.operator.shape),
        "stride": list(p.operator.stride),
        "padding": [first for first, _ in p.operator.padding],
        "dilation": list(p.operator.dilation),
        "groups": p.operator.groups,
    }
