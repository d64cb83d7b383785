"""Runs the network of ``configuration.json`` in sinabs, or on a Speck.

    python run_sinabs.py STIMULUS.npy RECORD.npz                   simulated by sinabs' layers (no samna needed)
    python run_sinabs.py STIMULUS.npy RECORD.npz --hardware        on the chip (needs sinabs' dynapcnn backend, samna)

STIMULUS.npy: spike counts (T, *input shape) of one sample; for several inputs an .npz of such arrays by their names.
RECORD.npz: by layer its spike counts ``s.NAME`` (T, *shape); on the chip of the outputs, in steps of --step seconds.

The chip has no steps: it takes event after event. A step's events are sent at its beginning, biases are added at each
tick of the slow clock, which is set to one tick per step, and the clocks of host and chip are not the same.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Events = list[tuple[int, int, int, int, int]]  # step, core, feature, y, x


def stimuli(path: Path, network: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Each input's counts as images (T, features, height, width)."""
    loaded = np.load(path)
    arrays = dict(loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else dict.fromkeys(network["inputs"], loaded)
    return {name: arrays[name].reshape(-1, *entry["image"]) for name, entry in network["inputs"].items()}


def pooled(images: np.ndarray, pooling: int) -> np.ndarray:
    """Sums over windows side by side; what is left over at the far sides is dropped."""
    time_, features, height, width = images.shape
    rows, columns = height // pooling, width // pooling
    images = images[:, :, : rows * pooling, : columns * pooling]
    return images.reshape(time_, features, rows, pooling, columns, pooling).sum(axis=(3, 5))


def simulated(configuration: Mapping[str, Any], stimulus: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Spike counts (T, features, height, width) of every layer, by sinabs' layers on the CPU."""
    import torch
    from sinabs import activation
    from sinabs.layers import IAFSqueeze

    network, cores = configuration["network"], configuration["samna"]["cnn_layers"]
    steps = len(next(iter(stimulus.values())))
    used = {core: settings for core, settings in enumerate(cores) if settings}
    seen = {core: np.zeros((steps, *image_of(settings, "input_shape"))) for core, settings in used.items()}

    def send(images: np.ndarray, destinations: list[dict[str, Any]]) -> None:
        for to in destinations:
            if to["layer"] in seen:
                arriving = pooled(images, to["pooling"])
                own = slice(to["feature_shift"], to["feature_shift"] + arriving.shape[1])
                seen[to["layer"]][:, own] += arriving

    for name, images in stimulus.items():
        send(images, network["inputs"][name]["destinations"])
    done = {}
    for layer in network["layers"]:  # in the order of the signal
        settings = cores[layer["core"]]
        weights = torch.tensor(settings["weights"], dtype=torch.float32).transpose(2, 3)
        shape = settings["dimensions"]
        neurons = IAFSqueeze(
            batch_size=1,
            spike_threshold=torch.tensor(float(settings["threshold_high"])),
            min_v_mem=float(settings["threshold_low"]),
            reset_fn=activation.MembraneReset() if settings["return_to_zero"] else activation.MembraneSubtract(),
        )
        with torch.no_grad():
            currents = torch.nn.functional.conv2d(
                torch.tensor(seen[layer["core"]], dtype=torch.float32),
                weights,
                torch.tensor(settings["biases"], dtype=torch.float32),
                stride=(shape["stride"]["y"], shape["stride"]["x"]),
                padding=(shape["padding"]["y"], shape["padding"]["x"]),
            )
            spikes = neurons(currents).numpy()
        done[layer["name"]] = spikes[:, :: layer["spread"]].astype(np.int64)
        send(spikes, settings["destinations"])
    return done


def image_of(settings: Mapping[str, Any], key: str) -> tuple[int, int, int]:
    """(features, height, width)."""
    shape = settings["dimensions"][key]
    return shape["feature_count"], shape["size"]["y"], shape["size"]["x"]


def events_of(network: Mapping[str, Any], stimulus: Mapping[str, np.ndarray]) -> Events:
    """The stimulus as events, step after step; the host pools the inputs."""
    events: Events = []
    for name, images in stimulus.items():
        for to in network["inputs"][name]["destinations"]:
            counts = pooled(images, to["pooling"])
            for step, feature, y, x in np.argwhere(counts).tolist():
                event = (step, to["layer"], feature + to["feature_shift"], y, x)
                events += [event] * int(counts[step, feature, y, x])
    return sorted(events, key=lambda event: event[0])


def on_hardware(configuration: Mapping[str, Any], events: Events, steps: int, step: float) -> dict[str, np.ndarray]:
    """Spike counts of the layers that are monitored."""
    import samna
    from sinabs.backend.dynapcnn.chip_factory import ChipFactory
    from sinabs.backend.dynapcnn.io import enable_timestamps, open_device, reset_timestamps

    network = configuration["network"]
    builder = ChipFactory(network["device"]).get_config_builder()
    module = builder.get_samna_module()
    settings = builder.get_default_config()
    apply(settings, configuration["samna"])
    valid, why = module.validate_configuration(settings)
    if not valid:
        raise SystemExit(f"samna refuses the configuration: {why}")
    device = open_device(network["device"])
    device.get_model().apply_configuration(settings)
    clock = device.get_io_module()
    clock.set_slow_clk(True)
    clock.set_slow_clk_rate(round(1 / step))
    source, sink, graph = builder.get_input_buffer(), builder.get_output_buffer(), samna.graph.EventFilterGraph()
    graph.sequential([source, device.get_model().get_sink_node()])
    graph.sequential([device.get_model().get_source_node(), sink])
    graph.start()
    reset_timestamps(network["device"])
    enable_timestamps(network["device"])
    source.write([spike(module, event, step) for event in events])
    time.sleep(steps * step + 1.0)
    return counted(configuration, sink.get_events(), steps, step)


def apply(settings: Any, values: Mapping[str, Any]) -> None:
    """Set samna's configuration object attribute by attribute, core by core."""
    for core, own in enumerate(values["cnn_layers"]):
        for key, value in (own or {}).items():
            if key == "destinations":
                for index, destination in enumerate(value):
                    for name, number in destination.items():
                        setattr(settings.cnn_layers[core].destinations[index], name, number)
            else:
                setattr(settings.cnn_layers[core], key, value)
    for part in ("dvs_layer", "readout"):
        for key, value in values.get(part, {}).items():
            setattr(getattr(settings, part), key, value)


def spike(module: Any, event: tuple[int, int, int, int, int], step: float) -> Any:
    made = module.event.Spike()
    at, made.layer, made.feature, made.y, made.x = event
    made.timestamp = round(1e6 * at * step)
    return made


def counted(configuration: Mapping[str, Any], events: list[Any], steps: int, step: float) -> dict[str, np.ndarray]:
    """The chip's spike events as counts; timestamps are in microseconds."""
    cores, layers = configuration["samna"]["cnn_layers"], configuration["network"]["layers"]
    watched = {layer["core"]: layer for layer in layers if cores[layer["core"]]["monitor_enable"]}
    counts = {core: np.zeros((steps, *image_of(cores[core], "output_shape")), dtype=np.int64) for core in watched}
    for event in events:
        at = int(event.timestamp / (1e6 * step)) if getattr(event, "layer", None) in watched else steps
        if at < steps:
            counts[event.layer][at, event.feature, event.y, event.x] += 1
    return {layer["name"]: counts[core][:, :: layer["spread"]] for core, layer in watched.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stimulus", type=Path)
    parser.add_argument("record", type=Path)
    parser.add_argument("--hardware", action="store_true", help="run on the chip, not in sinabs")
    parser.add_argument("--step", type=float, default=1e-3, help="seconds per step on the chip (default 0.001)")
    arguments = parser.parse_args()
    configuration = json.loads(Path(__file__).with_name("configuration.json").read_text(encoding="utf-8"))
    network = configuration["network"]
    stimulus = stimuli(arguments.stimulus, network)
    steps = len(next(iter(stimulus.values())))
    if arguments.hardware:
        done = on_hardware(configuration, events_of(network, stimulus), steps, arguments.step)
    else:
        done = simulated(configuration, stimulus)
    shapes = {layer["name"]: layer["shape"] for layer in network["layers"]}
    np.savez_compressed(arguments.record, **{f"s.{name}": c.reshape(steps, *shapes[name]) for name, c in done.items()})


if __name__ == "__main__":
    main()
