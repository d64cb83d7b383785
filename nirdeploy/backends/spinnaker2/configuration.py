"""The network as the JSON that the rendered script builds py-spinnaker2's populations and projections from."""

from __future__ import annotations

from typing import Any

import numpy as np

from nirdeploy.backends.spinnaker2.placement import is_convolved
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import ChipPopulation, IntegerProjection
from nirdeploy.semantics.operators import Convolution
from nirdeploy.targets.placement import Placement

#: Raised when the script reads something else.
FORMAT = 1
_RESETS = {"zero": "reset_to_v_reset", "subtract": "reset_by_subtraction"}
#: Registers of each of py-spinnaker2's neuron models.
_DELTA = ("threshold", "alpha_decay", "i_offset", "v_init", "v_reset")
_PARAMETERS = {
    "lif_no_delay": _DELTA,
    "lif_conv2d": _DELTA,
    "lif_curr_exp_no_delay": (*_DELTA, "exc_decay", "inh_decay"),
}


def written(network: IntegerNetwork, placement: Placement) -> dict[str, Any]:
    """What the script needs, in plain lists."""
    per_core = placement.layout["neurons_per_core"]
    return {
        "format": FORMAT,
        "network": network.digest(),
        "dt": network.dt,
        "steps": placement.layout["steps"],
        "inputs": [
            {"name": name, "shape": list(shape), "neurons_per_core": per_core[name]} for name, shape in network.inputs
        ],
        "populations": [
            {**_population(network, network.on_chip(population.name)), "neurons_per_core": per_core[population.name]}
            for population in network.populations
        ],
        "projections": [_projection(projection) for projection in network.projections],
        "outputs": dict(network.outputs),
    }


def model_of(network: IntegerNetwork, population: ChipPopulation) -> str:
    """The name of py-spinnaker2's neuron model."""
    if population.synaptic:
        return "lif_curr_exp_no_delay"
    return "lif_conv2d" if is_convolved(network, population.name) else "lif_no_delay"


def _population(network: IntegerNetwork, population: ChipPopulation) -> dict[str, Any]:
    model = model_of(network, population)
    params: dict[str, Any] = {name: population.registers[name].tolist() for name in _PARAMETERS[model]}
    if population.synaptic:
        params["t_refrac"] = 0
    return {
        "name": population.name,
        "shape": list(population.shape),
        "neuron_model": model,
        "params": {**params, "reset": _RESETS[population.reset]},
        "record": ["spikes", "v"] if population.name in network.outputs.values() else ["spikes"],
        "volts_per_unit": (population.scale * 2.0 ** int(population.registers["fraction_bits"])).tolist(),
    }


def _projection(p: IntegerProjection) -> dict[str, Any]:
    """``weights``: of a list of synapses [post][pre]; of a convolution [channel in][channel out][row][column]."""
    ends = {"pre": p.source, "post": p.target}
    if not isinstance(p.operator, Convolution):
        return {**ends, "kind": "synapses", "weights": p.weight.tolist(), "delay": p.delay - 1}
    shape = p.operator.shape if p.pool is None else p.pool.shape
    (top, bottom), (left, right) = p.operator.padding
    pool = (1, 1) if p.pool is None else p.pool.kernel
    params = {
        "in_height": shape[1],
        "in_width": shape[2],
        "stride_x": p.operator.stride[0],
        "stride_y": p.operator.stride[1],
        "pool_x": pool[0],
        "pool_y": pool[1],
        "pad_top": top,
        "pad_bottom": bottom,
        "pad_left": left,
        "pad_right": right,
    }
    return {**ends, "kind": "conv2d", "weights": np.swapaxes(p.weight, 0, 1).tolist(), "params": params}
