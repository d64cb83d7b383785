"""Networks for Speck as plain data, from which both a NIR graph and (in the witness) sinabs' modules are made.

A network is {"image": input shape, "layers": [...]}, its layers in the order of the signal, each {"name",
"kind": conv or linear, "sources": [[name, pooling kind, window], ...], "weight", "bias" (or None), "stride", "padding",
"threshold", "floor" (or None), "reset"}, weights and biases as arrays; and where it is odd "dilation", "groups" and
"neuron", with what sinabs' neurons can have beyond the chip's.
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np

from nirdeploy.graph.check import CheckedGraph, check

DIALECT = "sinabs"


def dialect(network: dict[str, Any]) -> str:
    """Of the network: all layers are alike in it."""
    first = network["layers"][0]
    bounded = "none" if first["floor"] is None else "-threshold"
    odd = first.get("neuron", {})
    taken = "difference" if "subtract_value" in odd else "threshold"
    return f"{DIALECT},reset={first['reset']},subtract={taken},v_min={bounded},max_spikes={odd.get('max_spikes', 0)}"


def as_nir(network: dict[str, Any]) -> nir.NIRGraph:
    nodes: dict[str, Any] = {"input": nir.Input(np.array(network["image"]))}
    edges: list[tuple[str, str]] = []
    shapes = shapes_of(network)
    for layer in network["layers"]:
        name, bias = layer["name"], layer["bias"]
        if layer["kind"] == "conv":
            zeros = np.zeros(len(layer["weight"]))
            nodes[f"{name}_conv"] = nir.Conv2d(
                pooled(shapes[layer["sources"][0][0]], layer["sources"][0][2])[1:],
                layer["weight"],
                layer["stride"],
                layer["padding"],
                layer.get("dilation", 1),
                layer.get("groups", 1),
                zeros if bias is None else bias,
            )
        else:
            nodes[f"{name}_conv"] = nir.Linear(layer["weight"]) if bias is None else nir.Affine(layer["weight"], bias)
            nodes[f"{name}_flat"] = nir.Flatten(
                {"input": np.array(pooled(shapes[layer["sources"][0][0]], layer["sources"][0][2]))}, 0, -1
            )
            edges.append((f"{name}_flat", f"{name}_conv"))
        into = f"{name}_flat" if layer["kind"] == "linear" else f"{name}_conv"
        for source, kind, window in layer["sources"]:
            if kind == "none":
                edges.append((source, into))
                continue
            pool = f"{name}_{kind}_{source}"
            made = nir.SumPool2d if kind == "sum" else nir.AvgPool2d
            nodes[pool] = made(np.array([window] * 2), np.array([window] * 2), np.array([0, 0]))
            edges += [(source, pool), (pool, into)]
        nodes[name] = _neurons(layer, shapes[name] if layer["kind"] == "conv" else shapes[name][:1])
        edges.append((f"{name}_conv", name))
    nodes["output"] = nir.Output(np.array(nodes[network["layers"][-1]["name"]].r.shape))
    edges.append((network["layers"][-1]["name"], "output"))
    return nir.NIRGraph(nodes, edges, type_check=False)


def _neurons(layer: dict[str, Any], shape: tuple[int, ...]) -> Any:
    odd, ones, threshold = layer.get("neuron", {}), np.ones(shape), layer["threshold"]
    v_reset = threshold - odd["subtract_value"] if "subtract_value" in odd else odd.get("reset_value", 0.0)
    if "tau_syn" in odd:
        leak = {"tau_syn": odd["tau_syn"] * ones, "tau_mem": 1e9 * ones, "v_leak": 0 * ones, "w_in": ones}
        return nir.CubaLIF(r=ones, v_threshold=threshold * ones, v_reset=v_reset * ones, **leak)
    return nir.IF(ones, threshold * ones, v_reset * ones)


def as_graph(network: dict[str, Any]) -> CheckedGraph:
    return check(as_nir(network), dialect=dialect(network))


def pooled(shape: tuple[int, ...], window: int) -> tuple[int, ...]:
    return (shape[0], shape[1] // window, shape[2] // window)


def shapes_of(network: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """(features, height, width) by layer."""
    shapes: dict[str, tuple[int, ...]] = {"input": tuple(network["image"])}
    for layer in network["layers"]:
        source, _, window = layer["sources"][0]
        seen, out = pooled(shapes[source], window), len(layer["weight"])
        if layer["kind"] == "linear":
            shapes[layer["name"]] = (out, 1, 1)
        else:
            space = [
                (size + 2 * layer["padding"] - layer.get("dilation", 1) * (kernel - 1) - 1) // layer["stride"] + 1
                for size, kernel in zip(seen[1:], layer["weight"].shape[2:], strict=True)
            ]
            shapes[layer["name"]] = (out, *space)
    return shapes


def conv(name: str, sources: list[list[Any]], weight: np.ndarray, **fields: Any) -> dict[str, Any]:
    """A layer with what is not said left plain."""
    plain = {"bias": None, "stride": 1, "padding": 0, "threshold": 1.0, "floor": -1.0, "reset": "subtract"}
    return {"name": name, "kind": "conv", "sources": sources, "weight": weight.astype(np.float32), **plain, **fields}


def network(seed: int) -> dict[str, Any]:
    """What both take, and now and then too much for the cores' memories: convolutions, pools, skips, a last Linear."""
    rng = np.random.default_rng(seed)
    side = int(rng.choice([6, 9, 12, 16, 24]))
    made: dict[str, Any] = {"image": (int(rng.integers(1, 4)), side, side), "layers": []}
    whole = seed % 5 == 4  # integers to begin with, and no lower bound of the membrane
    fields: dict[str, Any] = {
        "threshold": float(rng.integers(60, 400)) if whole else float(rng.choice([0.5, 1.0, 1.7])),
        "reset": str(rng.choice(["subtract", "subtract", "zero"])),
    }
    fields["floor"] = None if whole else -fields["threshold"]
    large = rng.random() < 0.35
    for index in range(int(rng.integers(1, 11 if large else 6))):
        shapes = shapes_of(made)
        before = list(shapes)[-1]
        if min(shapes[before][1:]) < 3:
            break
        sources: list[list[Any]] = [[before, *_pool(rng, shapes[before], index, whole)]]
        seen = pooled(shapes[before], sources[0][2])
        twins = [n for n in list(shapes)[1:-1] if sources[0][1] == "none" and shapes[n] == shapes[before]]
        out_of = [source for layer in made["layers"] for source, _, _ in layer["sources"]]
        twins = [n for n in twins if out_of.count(n) < 2]
        if twins and rng.random() < 0.7:
            sources.append([twins[-1], "none", 1])
        kernel = 3 if large else int(rng.integers(1, min(7, seen[1]) + 1))
        same = rng.random() < (0.8 if large else 0.4)
        features = int(rng.choice([16, 48, 64, 64, 130])) if large else int(rng.integers(1, 12))
        shape = (seen[0] if same and not large else features, seen[0], kernel, kernel)
        fan_in = float(np.prod(shape[1:]))
        spread = fields["threshold"] * (0.5 if large else rng.choice([0.4, 0.8, 1.5])) / np.sqrt(fan_in)
        weight = rng.normal(0.8 * spread / np.sqrt(fan_in), spread, shape)
        bias = rng.normal(0, 0.05 * fields["threshold"], shape[0]).astype(np.float32) if rng.random() < 0.4 else None
        layer = conv(f"l{index}", sources, weight, bias=bias, **fields)
        layer["stride"] = 1 if same else int(rng.choice([1, 1, 2, 4]))
        layer["padding"] = kernel // 2 if same else int(rng.integers(0, kernel // 2 + 1))
        made["layers"].append(layer)
    shapes = shapes_of(made)
    last = list(shapes)[-1]
    if rng.random() < 0.6 and max(shapes[last][1:]) <= 16 and len(made["layers"]):
        size = int(np.prod(shapes[last]))
        spread = fields["threshold"] / np.sqrt(size)
        linear = conv("out", [[last, "none", 1]], rng.normal(0.1 * spread, spread, (10, size)), **fields)
        made["layers"].append({**linear, "kind": "linear"})
    for layer in made["layers"] if whole else []:
        layer["weight"] = np.rint(layer["weight"] * 127 / np.abs(layer["weight"]).max())
        layer["weight"].flat[0] = 127.0  # the largest fits as it is: the scale is one
        layer["bias"] = None if layer["bias"] is None else np.clip(np.rint(layer["bias"]), -127, 127)
    return made


def _pool(rng: np.random.Generator, shape: tuple[int, ...], index: int, whole: bool) -> tuple[str, int]:
    """Of a layer's output (sinabs pools no input but a camera's); an average puts fractions into the weights."""
    window = int(rng.choice([1, 1, 2, 4]))
    if window == 1 or index == 0 or shape[1] // window < 3:
        return "none", 1
    return "sum" if whole else str(rng.choice(["sum", "avg"])), window


def stimulus(network: dict[str, Any], seed: int, steps: int = 12) -> np.ndarray:
    """Counts (T, *image), mostly 0 and 1."""
    rng = np.random.default_rng(seed + 10**6)
    return rng.poisson(rng.choice([0.1, 0.4]), (steps, *network["image"])).astype(np.uint8)


def sequential(read: nir.NIRGraph) -> dict[str, Any]:
    """A chain of Conv2d or Affine, IF, and SumPool2d or Flatten now and then, as plain data; layers are l0, l1, ..."""
    follows = dict(read.edges)
    made: dict[str, Any] = {"image": tuple(int(size) for size in read.nodes["input"].input_type["input"]), "layers": []}
    source, window, operator, at = "input", 1, None, "input"
    while at in follows:
        at = follows[at]
        node = read.nodes[at]
        if isinstance(node, (nir.Conv2d, nir.Affine)):
            operator = node
        elif isinstance(node, nir.SumPool2d):
            window = int(node.kernel_size[0])
        elif isinstance(node, nir.IF):
            assert operator is not None
            pool = ["none", 1] if window == 1 else ["sum", window]
            name, threshold = f"l{len(made['layers'])}", float(node.v_threshold.flat[0])
            layer = conv(name, [[source, *pool]], operator.weight, threshold=threshold, floor=-threshold)
            layer["bias"] = operator.bias if operator.bias.any() else None
            if isinstance(operator, nir.Conv2d):
                layer |= {"stride": int(operator.stride[0]), "padding": int(operator.padding[0])}
            else:
                layer["kind"] = "linear"
            made["layers"].append(layer)
            source, window = name, 1
    return made
