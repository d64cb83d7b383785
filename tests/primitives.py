"""Random NIR graphs over every primitive, and what they compute, evaluated node by node without the package."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import nir
import numpy as np
from hypothesis import strategies as st

from nirdeploy.graph.extension import ConvTranspose2d, MaxPool2d
from nirdeploy.semantics import dialect as dialect_module
from nirdeploy.semantics.dialect import Dialect

NEURONS = ("IF", "LIF", "CubaLIF", "LI", "I", "CubaLI", "Threshold")


@dataclass
class Drawn:
    """A graph; ``back``: its recurrent edges (source neuron, first linear node)."""

    graph: nir.NIRGraph
    shape: tuple[int, ...]
    back: list[tuple[str, str]] = field(default_factory=list)


def neuron(kind: str, shape: tuple[int, ...], dt: float, rng: np.random.Generator) -> nir.NIRNode:
    """Parameters of each neuron its own; gains around one."""

    def tau() -> np.ndarray:
        return dt * rng.uniform(1.3, 15, shape)

    first, second = tau(), tau()
    membrane = {"v_threshold": rng.uniform(0.4, 1.4, shape), "v_reset": rng.normal(0, 0.1, shape)}
    leak = rng.normal(0, 0.05, shape)
    gain = rng.uniform(0.4, 1.6, shape)
    if kind == "IF":
        return nir.IF(r=gain / dt, **membrane)
    if kind == "I":
        return nir.I(r=0.2 * gain / dt)
    if kind == "LIF":
        return nir.LIF(tau=first, r=first / dt * gain, v_leak=leak, **membrane)
    if kind == "LI":
        return nir.LI(tau=first, r=first / dt * gain, v_leak=leak)
    if kind == "Threshold":
        return nir.Threshold(rng.uniform(-0.5, 0.8, shape))
    both = {"tau_syn": first, "tau_mem": second, "r": second / dt * gain, "w_in": first / dt * 0.5, "v_leak": leak}
    return nir.CubaLI(**both) if kind == "CubaLI" else nir.CubaLIF(**both, **membrane)


def layer(
    shape: tuple[int, ...], dt: float, rng: np.random.Generator, draw: Any, extended: bool = False
) -> nir.NIRNode:
    """Any linear node that takes ``shape``; ``extended``: NIR's or ours."""
    kinds = ["Scale", "Delay", *(["Linear", "Affine"] if len(shape) == 1 else ["Flatten"])]
    kinds += ["Conv1d"] if len(shape) == 2 else []
    if len(shape) == 3 and min(shape[1:]) >= 2:
        kinds += ["Conv2d", "Conv2d", "SumPool2d", "AvgPool2d"]
    if extended and len(shape) == 3 and max(shape[1:]) < 9:
        kinds += ["ConvTranspose2d", "ConvTranspose2d"]
    kind = draw(st.sampled_from(kinds))
    if kind == "Scale":
        return nir.Scale(rng.choice([0.5, 1.0, -1.5], shape))
    if kind == "Delay":
        return nir.Delay(dt * rng.integers(0, 3, shape).astype(float))
    if kind in ("Linear", "Affine"):
        out = int(rng.integers(1, 9))
        weight = rng.normal(0.2, 1.0, (out, shape[0])) / np.sqrt(shape[0])
        return nir.Linear(weight) if kind == "Linear" else nir.Affine(weight, rng.normal(0, 0.2, out))
    if kind == "Flatten":
        return nir.Flatten({"input": np.array(shape)}, start_dim=0, end_dim=-1)
    if kind.endswith("Pool2d"):
        return windows(kind, shape, rng)
    if kind == "ConvTranspose2d":
        return transposed(shape, rng)
    spatial = len(shape) - 1
    groups = int(rng.choice([g for g in (1, 2) if shape[0] % g == 0]))
    out = groups * int(rng.integers(1, 3))
    kernel = rng.integers(1, np.minimum(shape[1:], 3) + 1)
    weight = rng.normal(0.2, 1.0, (out, shape[0] // groups, *kernel)) / np.sqrt(shape[0] * kernel.prod())
    bias = rng.normal(0, 0.2, out)
    stride, dilation = rng.integers(1, 3, spatial), rng.integers(1, 3, spatial)
    dilation = np.where((kernel - 1) * dilation + 1 <= shape[1:], dilation, 1)
    padding = draw(st.sampled_from([0, 1, "same", "valid"]))
    stride = np.ones(spatial, dtype=int) if padding == "same" else stride
    if spatial == 1:
        return nir.Conv1d(shape[1], weight, int(stride[0]), padding, int(dilation[0]), groups, bias)
    return nir.Conv2d(shape[1:], weight, tuple(stride), padding, tuple(dilation), groups, bias)


def transposed(shape: tuple[int, ...], rng: np.random.Generator) -> ConvTranspose2d:
    """A transposed convolution; now and then one that upsamples to the nearest."""
    if rng.random() < 0.3:
        by, none = rng.integers(1, 4, 2), np.zeros(2, dtype=int)
        return ConvTranspose2d(np.ones((shape[0], 1, *by)), by, none, none, none + 1, shape[0], np.zeros(shape[0]))
    groups = int(rng.choice([g for g in (1, 2) if shape[0] % g == 0]))
    kernel, stride, dilation = (rng.integers(1, 4, 2), rng.integers(1, 3, 2), rng.integers(1, 3, 2))
    padding = rng.integers(0, dilation * (kernel - 1) // 2 + 1)
    more = rng.integers(0, np.maximum(stride, dilation))
    weight = rng.normal(0.2, 1.0, (shape[0], int(rng.integers(1, 3)), *kernel)) / np.sqrt(shape[0])
    bias = rng.normal(0, 0.2, weight.shape[1] * groups)
    return ConvTranspose2d(weight, stride, padding, more, dilation, groups, bias)


def windows(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> nir.NIRNode:
    """A pooling node."""
    kernel = rng.integers(1, np.minimum(shape[1:], 3) + 1)
    stride, padding = rng.integers(1, 3, 2), rng.integers(0, kernel // 2 + 1)
    pools = {"SumPool2d": nir.SumPool2d, "AvgPool2d": nir.AvgPool2d, "MaxPool2d": MaxPool2d}
    return pools[kind](kernel, stride, padding)


def _even_biases(nodes: dict[str, nir.NIRNode], inside: list[str]) -> bool:
    """Whether what stands in front of a maximum adds one bias to each channel, and delays all alike."""
    kinds = [type(nodes[name]) for name in inside]
    return (
        kinds.count(nir.Conv2d) <= 1
        and ConvTranspose2d not in kinds
        and all(kind in (nir.Conv2d, nir.SumPool2d) for kind in kinds[-1:])
        and (nir.Delay not in kinds and kinds[:-1].count(nir.Conv2d) == 0)
    )


def out_shape(node: nir.NIRNode, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(apply(node, np.zeros((1, *shape)))[0].shape)


@st.composite
def drawn(draw: st.DrawFn, kinds: tuple[str, ...] = NEURONS, recurrent: bool = True, maxima: bool = False) -> Drawn:
    """A chain of blocks (linear nodes, then neurons) with skips, recurrences, subgraphs and several outputs.

    ``maxima``: images, where a block may have transposed convolutions and end in a maximum over windows.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dt = 1e-3
    shape: tuple[int, ...] = draw(st.sampled_from(([] if maxima else [(3,), (5,), (2, 6)]) + [(2, 4, 5), (1, 5, 4)]))
    start = shape
    nodes: dict[str, nir.NIRNode] = {"in": nir.Input({"input": np.array(shape)})}
    edges: list[tuple[str, str]] = []
    back: list[tuple[str, str]] = []
    last, spiking = "in", True
    neurons: list[tuple[str, tuple[int, ...], bool]] = []
    for block in range(draw(st.integers(1, 3))):
        inside: list[str] = []
        for i in range(draw(st.integers(0, 3))):
            name, node = f"l{block}.{i}", layer(shape, dt, rng, draw, extended=maxima)
            nodes[name], shape = node, out_shape(node, shape)
            edges.append((last, name))
            last = name
            inside.append(name)
        if maxima and len(shape) == 3 and min(shape[1:]) >= 2 and _even_biases(nodes, inside) and draw(st.booleans()):
            name = f"l{block}.max"
            nodes[name] = windows("MaxPool2d", shape, rng)
            shape = out_shape(nodes[name], shape)
            edges.append((last, name))
            last = name
            inside.append(name)
        kind = draw(st.sampled_from(kinds))
        if kind == "Threshold" and block == 0 and not inside:
            kind = kinds[0]
        name = f"n{block}"
        nodes[name] = neuron(kind, shape, dt, rng)
        edges.append((last, name))
        for other, other_shape, _ in neurons:
            if other_shape == shape and other != last and draw(st.booleans()):
                edges.append((other, name))  # a skip connection
        spiking = kind in ("IF", "LIF", "CubaLIF", "Threshold")
        if recurrent and spiking and draw(st.booleans()):
            edges.append((name, f"r{block}"))
            back.append((name, f"r{block}"))
            edges.append((f"r{block}", name))
            if len(shape) == 1:
                size = shape[0]
                nodes[f"r{block}"] = nir.Affine(rng.normal(0, 0.6, (size, size)), rng.normal(0, 0.1, size))
            else:
                nodes[f"r{block}"] = nir.Scale(rng.normal(0, 0.6, shape))
        neurons.append((name, shape, spiking))
        last = name
    for index, (name, extent, _) in enumerate(neurons):
        if name == last or draw(st.booleans()):
            nodes[f"out{index}"] = nir.Output({"output": np.array(extent)})
            edges.append((name, f"out{index}"))
    return Drawn(nir.NIRGraph(nodes, edges, type_check=False), start, back)


# --- what a graph computes, without the package -----------------------------------------


def apply(node: nir.NIRNode, x: np.ndarray) -> np.ndarray:
    """A linear node (but Delay) on (B, ...), by loops over the output."""
    if isinstance(node, nir.Linear):
        return x @ node.weight.T
    if isinstance(node, nir.Affine):
        return x @ node.weight.T + node.bias
    if isinstance(node, nir.Scale):
        return x * node.scale
    if isinstance(node, nir.Flatten):
        return x.reshape(len(x), -1)
    if isinstance(node, nir.Delay):
        return x
    if isinstance(node, (nir.SumPool2d, nir.AvgPool2d, MaxPool2d)):
        (kh, kw), (sh, sw), (ph, pw) = node.kernel_size, node.stride, node.padding
        outside = -np.inf if isinstance(node, MaxPool2d) else 0
        x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=outside)
        rows, columns = (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1
        out = np.zeros((*x.shape[:2], rows, columns))
        for r in range(rows):
            for c in range(columns):
                seen = x[:, :, r * sh : r * sh + kh, c * sw : c * sw + kw]
                out[:, :, r, c] = seen.max(axis=(2, 3)) if isinstance(node, MaxPool2d) else seen.sum(axis=(2, 3))
        return out / (kh * kw) if isinstance(node, nir.AvgPool2d) else out
    if isinstance(node, nir.Conv1d):
        one = nir.Conv2d.__new__(nir.Conv2d)
        vars(one).update(vars(node))
        one.weight = node.weight[:, :, None]
        one.stride, one.dilation = (1, node.stride), (1, node.dilation)
        one.padding = node.padding if isinstance(node.padding, str) else (0, node.padding)
        return apply(one, x[:, :, None])[:, :, 0]
    if isinstance(node, ConvTranspose2d):
        return _scattered(node, x)
    assert isinstance(node, nir.Conv2d)
    (kh, kw), stride, dilation = node.weight.shape[2:], node.stride, node.dilation
    if node.padding == "same":
        total = [(kh - 1) * dilation[0], (kw - 1) * dilation[1]]
        pads = [(t // 2, t - t // 2) for t in total]
    else:
        pads = [(p, p) for p in ((0, 0) if node.padding == "valid" else np.broadcast_to(node.padding, 2))]
    x = np.pad(x, ((0, 0), (0, 0), *pads))
    rows = (x.shape[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    columns = (x.shape[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    outs, ins = node.weight.shape[0] // node.groups, node.weight.shape[1]
    result = np.zeros((len(x), node.weight.shape[0], rows, columns))
    for o in range(node.weight.shape[0]):
        channels = slice(o // outs * ins, (o // outs + 1) * ins)
        for r in range(rows):
            for c in range(columns):
                top, left = r * stride[0], c * stride[1]
                seen = x[:, channels, top : top + dilation[0] * (kh - 1) + 1 : dilation[0]]
                seen = seen[:, :, :, left : left + dilation[1] * (kw - 1) + 1 : dilation[1]]
                result[:, o, r, c] = (seen * node.weight[o]).sum(axis=(1, 2, 3)) + node.bias[o]
    return result


def _scattered(node: ConvTranspose2d, x: np.ndarray) -> np.ndarray:
    """Each value of the input times the kernel, added where it stands."""
    (kh, kw), (sh, sw), (dh, dw) = node.weight.shape[2:], node.stride, node.dilation
    ins, outs = node.weight.shape[0] // node.groups, node.weight.shape[1]
    (ph, pw), (mh, mw) = node.padding, node.output_padding
    size = ((x.shape[2] - 1) * sh + dh * (kh - 1) + 1 + mh, (x.shape[3] - 1) * sw + dw * (kw - 1) + 1 + mw)
    whole = np.zeros((len(x), outs * node.groups, *size))
    for i in range(x.shape[1]):
        mine = slice(i // ins * outs, (i // ins + 1) * outs)
        for r in range(x.shape[2]):
            for c in range(x.shape[3]):
                rows = slice(r * sh, r * sh + dh * (kh - 1) + 1, dh)
                columns = slice(c * sw, c * sw + dw * (kw - 1) + 1, dw)
                whole[:, mine, rows, columns] += x[:, i, r, c, None, None, None] * node.weight[i]
    return whole[:, :, ph : size[0] - ph, pw : size[1] - pw] + node.bias[:, None, None]


class Evaluation:
    """Euler, '>', reset to zero (the dialect ``nir``), one node after the other, one step after the other."""

    def __init__(self, drawn: Drawn, dt: float, subtract: bool) -> None:
        self.graph, self.back, self.dt, self.subtract = drawn.graph, drawn.back, dt, subtract

    def run(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """What left each neuron: (T, B, *shape)."""
        self.v: dict[str, Any] = {}
        self.i: dict[str, Any] = {}
        self.past: dict[str, list[np.ndarray]] = {}
        outs: dict[str, list[np.ndarray]] = {}
        before: dict[str, np.ndarray] = {}
        neurons = [n for n, node in self.graph.nodes.items() if type(node).__name__ in NEURONS]
        shapes = {n: tuple(self.graph.nodes[n].input_type["input"]) for n in neurons}
        for t in range(len(x)):
            now: dict[str, np.ndarray] = {"in": x[t].astype(float)}

            def value(name: str, now: dict[str, np.ndarray] = now, t: int = t) -> np.ndarray:
                if name not in now:
                    now[name] = self._node(name, sum(arriving(a, name) for a, b in self.graph.edges if b == name), t)
                return now[name]

            def arriving(a: str, b: str, before: dict[str, np.ndarray] = before) -> np.ndarray:
                if (a, b) in self.back:
                    return before.get(a, np.zeros((x.shape[1], *shapes[a])))
                return value(a)

            for name in neurons:
                outs.setdefault(name, []).append(value(name))
            before = {name: now[name] for name in neurons}
        return {name: np.stack(values) for name, values in outs.items()}

    def _node(self, name: str, x: Any, t: int) -> np.ndarray:
        node = self.graph.nodes[name]
        if isinstance(node, nir.Delay):
            past = self.past.setdefault(name, [])
            past.append(x)
            steps = np.rint(node.delay / self.dt).astype(int)
            out = np.zeros_like(x)
            for d in np.unique(steps):
                if t >= d:
                    out += np.where(steps == d, past[t - d], 0)
            return out
        kind = type(node).__name__
        if kind not in NEURONS:
            return apply(node, x)
        if kind == "Threshold":
            return (x > node.threshold).astype(float)
        v, dt = self.v.get(name, np.zeros_like(x)), self.dt
        if kind in ("IF", "I"):
            v = v + dt * node.r * x
        else:
            tau = node.tau_mem if kind.startswith("Cuba") else node.tau
            if kind.startswith("Cuba"):
                i = self.i.get(name, np.zeros_like(x))
                x = self.i[name] = i + dt / node.tau_syn * (node.w_in * x - i)
            v = v + dt / tau * (node.v_leak - v + node.r * x)
        out = v
        if kind in ("IF", "LIF", "CubaLIF"):
            out = (v > node.v_threshold).astype(float)
            low = v - (node.v_threshold - node.v_reset) if self.subtract else node.v_reset
            v = np.where(out > 0, low, v)
        self.v[name] = v
        return out


def with_dialect(graph: nir.NIRGraph, dialect: Dialect | str) -> nir.NIRGraph:
    graph.metadata = {dialect_module.METADATA_KEY: str(dialect)}
    return graph
