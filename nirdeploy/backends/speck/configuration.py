"""The chip's configuration as JSON holds it, in the structure and with the names of ``samna.speck2*.configuration``.

``samna``: what the chip is set to, core by core (None: a core without a layer). ``network``: which population is
which core's, and where the inputs' events go.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nirdeploy.backends.speck import layers
from nirdeploy.backends.speck.layers import Layer, Layers
from nirdeploy.backends.speck.schema import READOUT_LAYER
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import ChipPopulation
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target


def written(network: IntegerNetwork, placement: Placement, target: Target) -> dict[str, Any]:
    """The chip's, as samna structures it, and what the script needs besides."""
    found, hardware = layers.of_network(network, target.hardware), target.hardware
    core_of = {part.population: part.core for part in placement.slices}
    outputs = set(network.outputs.values())
    of_cores: list[dict[str, Any] | None] = [None] * len(hardware.kernel_words)
    for name, layer in found.layers.items():
        settings = _core(layer, network.on_chip(name))
        settings["monitor_enable"] = name in outputs
        settings["destinations"] = _destinations(found, name, core_of)
        if hardware.readout and name in outputs:
            settings["destinations"].append(_destination(READOUT_LAYER, 1, 0))
        of_cores[core_of[name]] = settings
    samna: dict[str, Any] = {"cnn_layers": of_cores, "dvs_layer": {"pass_sensor_events": False}}
    if hardware.readout:
        samna["readout"] = {"enable": True, "readout_pin_monitor_enable": True}
    return {"samna": samna, "network": _network(network, found, core_of, target)}


def _core(layer: Layer, population: ChipPopulation) -> dict[str, Any]:
    """A core's own settings; images and kernels stand as [feature][x][y]."""
    convolution, (_, height, width) = layer.convolution(), layer.out
    (down, right), ((up, _), (left, _)) = convolution.stride, convolution.padding
    biases = np.zeros(layer.features, dtype=np.int64)
    biases[:: layer.spread] = population.registers["bias"].reshape(layer.out[0], -1)[:, 0]
    return {
        "dimensions": {
            "kernel_size": layer.found.kernel,
            "stride": {"x": right, "y": down},
            "padding": {"x": left, "y": up},
            "input_shape": {"feature_count": layer.seen[0], "size": {"x": layer.seen[2], "y": layer.seen[1]}},
            "output_shape": {"feature_count": layer.features, "size": {"x": width, "y": height}},
        },
        "weights": convolution.weight.swapaxes(2, 3).tolist(),
        "biases": biases.tolist(),
        "leak_enable": bool(biases.any()),
        "return_to_zero": population.reset == "zero",
        "threshold_high": int(population.registers["threshold_high"]),
        "threshold_low": int(population.registers["threshold_low"]),
        "neurons_initial_value": np.zeros((layer.features, width, height), dtype=np.int64).tolist(),
    }


def _destination(layer: int, pooling: int, feature_shift: int) -> dict[str, Any]:
    return {"layer": layer, "enable": True, "pooling": pooling, "feature_shift": feature_shift}


def _destinations(found: Layers, source: str, core_of: dict[str, int]) -> list[dict[str, Any]]:
    return [_destination(core_of[name], arrival.pooling, arrival.first) for name, arrival in found.out_of(source)]


def _network(network: IntegerNetwork, found: Layers, core_of: dict[str, int], target: Target) -> dict[str, Any]:
    return {
        "module": target.hardware.samna_module,
        "device": target.hardware.device,
        "inputs": {
            name: {"image": list(found.images[name]), "destinations": _destinations(found, name, core_of)}
            for name, _ in network.inputs
        },
        "layers": [  # in the order of the signal
            {
                "name": name,
                "core": core_of[name],
                "spread": layer.spread,
                "shape": list(network.population(name).shape),
            }
            for name, layer in found.layers.items()
        ],
        "outputs": dict(network.outputs),
    }
