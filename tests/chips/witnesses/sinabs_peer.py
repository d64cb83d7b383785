"""sinabs 3.1.3 as a witness: its discretiser, memory model, core mapper, configuration and simulation.

    python sinabs_peer.py FOLDER        every FOLDER/*/network.json with network.npz, into its witness.json and .npz

sinabs' dynapcnn backend imports samna, which cannot be had here: modules of nothing stand in for it. What runs is
sinabs' own code; what samna itself decides (its validator) does not run.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn


class _Nothing(types.ModuleType):
    """A module in which every name is there."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return sys.modules.get(f"{self.__name__}.{name}") or type(name, (), {})


for _name in (
    "samna",
    "samnagui",
    "samna.graph",
    "samna.events",
    "samna.device",
    "samna.ui",
    "samna.specksim",
    "samna.specksim.nodes",
    *(f"samna.{chip}{part}" for chip in ("speck2e", "speck2f") for part in ("", ".configuration", ".event")),
):
    sys.modules[_name] = _Nothing(_name)
    sys.modules[_name].__path__ = []  # a package

import sinabs.layers as sl  # noqa: E402
from sinabs import activation  # noqa: E402
from sinabs.backend.dynapcnn import DynapcnnNetwork  # noqa: E402
from sinabs.backend.dynapcnn.chips.speck2f import Speck2FConfigBuilder  # noqa: E402
from sinabs.validate_memory_speck import ValidateMapping  # noqa: E402


class Net(nn.Module):
    """A network of the specification in sinabs' modules, weights in single precision."""

    def __init__(self, network: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        super().__init__()
        self._layers = network["layers"]
        for layer in self._layers:
            name = layer["name"]
            setattr(self, f"{name}_conv", _operator(layer, arrays))
            setattr(self, name, _neurons(layer))
            if layer["kind"] == "linear" and not self._is_flat(layer):
                setattr(self, f"{name}_flat", nn.Flatten())
            if len(layer["sources"]) > 1:
                setattr(self, f"{name}_merge", sl.Merge())
            for source, kind, window in layer["sources"]:
                if kind != "none":
                    made = sl.SumPool2d(window) if kind == "sum" else nn.AvgPool2d(window)
                    setattr(self, f"{name}_pool_{source}", made)

    def _is_flat(self, layer: dict[str, Any]) -> bool:
        """Whether a Linear is in front: sinabs would take a Flatten, which gives its input back, for a cycle."""
        return any(before["name"] == layer["sources"][0][0] and before["kind"] == "linear" for before in self._layers)

    def forward(self, x: torch.Tensor) -> Any:
        signals = {"input": x}
        taken = set()
        for layer in self._layers:
            name = layer["name"]
            arriving = []
            for source, kind, _ in layer["sources"]:
                taken.add(source)
                signal = signals[source]
                arriving.append(signal if kind == "none" else getattr(self, f"{name}_pool_{source}")(signal))
            signal = arriving[0] if len(arriving) == 1 else getattr(self, f"{name}_merge")(*arriving)
            if hasattr(self, f"{name}_flat"):
                signal = getattr(self, f"{name}_flat")(signal)
            signals[name] = getattr(self, name)(getattr(self, f"{name}_conv")(signal))
        (last,) = (signals[name] for name in signals if name not in taken)
        return last


def _operator(layer: dict[str, Any], arrays: dict[str, np.ndarray]) -> nn.Module:
    weight, bias = torch.tensor(arrays[f"{layer['name']}.weight"]), arrays.get(f"{layer['name']}.bias")
    if layer["kind"] == "linear":
        made: nn.Module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    else:
        groups = layer.get("groups", 1)
        made = nn.Conv2d(
            weight.shape[1] * groups,
            weight.shape[0],
            (weight.shape[2], weight.shape[3]),
            layer["stride"],
            layer["padding"],
            dilation=layer.get("dilation", 1),
            groups=groups,
            bias=bias is not None,
        )
    made.weight.data = weight
    if bias is not None:
        made.bias.data = torch.tensor(bias)
    return made


def _neurons(layer: dict[str, Any]) -> nn.Module:
    odd = layer.get("neuron", {})
    reset: Any = activation.MembraneReset(odd.get("reset_value", 0.0))
    if layer["reset"] == "subtract":
        reset = activation.MembraneSubtract(odd.get("subtract_value"))
    spikes: Any = activation.MaxSpike(odd["max_spikes"]) if "max_spikes" in odd else activation.MultiSpike
    kind = sl.LIFSqueeze if "tau_mem" in odd else sl.IAFSqueeze
    more = {key: odd[key] for key in ("tau_syn", "tau_mem") if key in odd}
    return kind(
        batch_size=1,
        spike_threshold=torch.tensor(layer["threshold"]),
        min_v_mem=layer["floor"],
        reset_fn=reset,
        spike_fn=spikes,
        record_states=True,
        **more,
    )


def validated(layer: Any) -> list[float] | str:
    """Words of kernel and neuron memory by sinabs' second memory model, which the mapper does not ask."""
    conv = layer.conv_layer
    try:
        model = ValidateMapping(
            conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, layer.in_shape[1:]
        )
    except Exception as error:  # noqa: BLE001 it raises just that
        return str(error)
    return [model.calculate_kernel_memory(), model.calculate_neuron_memory()]


def witnessed(network: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What sinabs makes of a network; ``refused`` says why it does not take it."""
    try:
        found = DynapcnnNetwork(Net(network, arrays), tuple(network["image"]), batch_size=1, dvs_input=False)
    except Exception as error:  # noqa: BLE001 whatever sinabs refuses by
        return {"refused": f"{type(error).__name__}: {error}"}, {}
    names = [layer["name"] for layer in network["layers"]]
    layers = found.dynapcnn_layers
    memory = found.memory_summary()
    said: dict[str, Any] = {
        "memory": {key: {names[i]: float(value) for i, value in by.items()} for key, by in memory.items()},
        "validated": {names[i]: validated(layer) for i, layer in layers.items()},
    }
    try:
        said["cores"] = {names[i]: c for i, c in Speck2FConfigBuilder.map_layers_to_cores(layers).items()}
    except ValueError as error:
        said["refused"] = f"ValueError: {error}"
    chosen = {i: int(network["cores"].get(name, i)) for i, name in enumerate(names)} if "cores" in network else {}
    if chosen and "refused" not in said:
        said["settings"] = {
            names[i]: Speck2FConfigBuilder.get_dynapcnn_layer_config_dict(layer, chosen, found.layer_destination_map[i])
            for i, layer in layers.items()
        }
    out = {}
    if "stimulus" in arrays:
        spikes: dict[int, torch.Tensor] = {}
        for i, layer in layers.items():
            layer.spk.register_forward_hook(lambda _m, _x, y, i=i: spikes.__setitem__(i, y.detach().clone()))
        with torch.no_grad():
            found(torch.tensor(arrays["stimulus"], dtype=torch.float32))
        for i, layer in layers.items():
            out[f"{names[i]}.spikes"] = spikes[i].numpy().astype(np.int64)
            out[f"{names[i]}.v"] = layer.spk.recordings["v_mem"][0].detach().numpy().astype(np.int64)
            out[f"{names[i]}.threshold"] = np.array([float(layer.spk.spike_threshold), float(layer.spk.min_v_mem)])
    return said, out


def main(folder: Path) -> None:
    for own in sorted(path for path in folder.iterdir() if path.is_dir()):
        network = json.loads((own / "network.json").read_text(encoding="utf-8"))
        with np.load(own / "network.npz") as loaded:
            said, arrays = witnessed(network, dict(loaded))
        plain = json.dumps(said, default=lambda item: item.item())
        (own / "witness.json").write_text(plain, encoding="utf-8")
        np.savez(own / "witness.npz", **dict[str, Any](arrays))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
