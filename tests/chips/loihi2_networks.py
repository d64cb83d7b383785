"""Random networks that Loihi 2 takes: every neuron, connection and register of it comes up."""

from __future__ import annotations

import nir
import numpy as np

DT = 1e-4


class Drawn:
    """A network being drawn, layer by layer; ``graph`` is the result."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: dict[str, nir.NIRNode] = {}
        self.edges: list[tuple[str, str]] = []
        self.seed = seed
        image = seed % 3 == 1
        self.shape: tuple[int, ...] = self._image() if image else (int(self.rng.integers(2, 14)),)
        self.nodes["input"] = nir.Input({"input": np.array(self.shape)})
        self.last = "input"
        self.flat: list[tuple[str, int]] = [] if image else [("input", self.shape[0])]
        for layer in range(int(self.rng.integers(1, 4))):
            if len(self.shape) == 3 and self.rng.random() < 0.75:
                self._convolution(layer)
            else:
                self._dense(layer)
        self.nodes["output"] = nir.Output({"output": np.array(self.shape)})
        self.edges.append((self.last, "output"))
        self.graph = nir.NIRGraph(self.nodes, self.edges, metadata={}, type_check=False)

    def _image(self) -> tuple[int, ...]:
        return int(self.rng.integers(1, 3)), int(self.rng.integers(4, 9)), int(self.rng.integers(4, 9))

    def _then(self, name: str, node: nir.NIRNode) -> None:
        self.nodes[name] = node
        self.edges.append((self.last, name))
        self.last = name

    def _weights(self, *shape: int) -> np.ndarray:
        """Mixed, positive or negative; of any size against the threshold."""
        fan_in = int(np.prod(shape[1:]))
        kind, size = self.rng.integers(4), self.rng.choice([0.2, 1.0, 4.0]) / np.sqrt(fan_in)
        weight = self.rng.normal(0.3 * size, size, shape)
        if kind == 0:
            weight = np.abs(weight)
        if kind == 1:
            weight = np.where(self.rng.random(shape) < 0.5, 0.0, weight)
        return np.asarray(weight if kind != 2 or len(shape) == 4 else -weight)

    def _pool(self, layer: int) -> None:
        """In front of what comes next: of any stride and padding, and at times overlapping."""
        channels, height, width = self.shape
        kernel = np.array([2, int(self.rng.integers(1, 3))])
        stride = np.array([int(self.rng.integers(1, 3)), int(kernel[1])])
        padding = np.array([int(self.rng.integers(0, 2)), 0])
        pool = nir.SumPool2d(kernel, stride, padding)
        sides = zip((height, width), kernel, stride, padding, strict=True)
        after = [(int(size) + 2 * int(p) - int(k)) // int(s) + 1 for size, k, s, p in sides]
        if min(after) >= 3:
            self._then(f"pool{layer}", pool)
            self.shape = (channels, *after)

    def _convolution(self, layer: int) -> None:
        if self.rng.random() < 0.4:
            self._pool(layer)
        channels, height, width = self.shape
        groups = channels if self.rng.random() < 0.3 else 1
        out = groups * int(self.rng.integers(1, 4))
        kernel = [min(int(self.rng.integers(1, 4)), side) for side in (height, width)]
        same = self.rng.random() < 0.3
        stride = 1 if same else int(self.rng.integers(1, 3))
        padding = "same" if same else np.array([int(self.rng.integers(0, 2)), int(self.rng.integers(0, 2))])
        weight = self._weights(out, channels // groups, *kernel)
        bias = self.rng.normal(0, 0.1, out) if self.rng.random() < 0.5 else np.zeros(out)
        self._then(
            f"conv{layer}",
            nir.Conv2d((height, width), weight, np.array([stride] * 2), padding, np.array([1, 1]), groups, bias),
        )
        pads = [(0, 0) if same else (int(p), int(p)) for p in (padding if not same else (0, 0))]
        sizes = (
            (height, width)
            if same
            else tuple(
                (size + 2 * pad[0] - k) // stride + 1
                for size, pad, k in zip((height, width), pads, kernel, strict=True)
            )
        )
        self.shape = (out, *sizes)
        self._neurons(layer, even=True)

    def _dense(self, layer: int) -> None:
        if len(self.shape) == 3:
            if self.rng.random() < 0.3:
                self._pool(layer)
            self._then(f"flatten{layer}", nir.Flatten({"input": np.array(self.shape)}, 0, -1))
        inputs, outputs = int(np.prod(self.shape)), int(self.rng.integers(1, 14))
        alone = self.last == "input" or "lif" in self.last
        if alone and len(self.shape) == 1 and self.rng.random() < 0.1:
            self._then(f"scale{layer}", nir.Scale(self.rng.uniform(0.3, 1.5, inputs)))
            outputs = inputs
        elif self.rng.random() < 0.5:
            self._then(f"fc{layer}", nir.Affine(self._weights(outputs, inputs), self.rng.normal(0, 0.2, outputs)))
        else:
            self._then(f"fc{layer}", nir.Linear(self._weights(outputs, inputs)))
        self.shape = (outputs,)
        self._neurons(layer, even=False)
        if self.rng.random() < 0.35:
            self._connect(f"back{layer}", self.last, outputs, outputs)
        if len(self.flat) > 1 and self.rng.random() < 0.6:  # past a layer: takes more steps than its own
            source, size = self.flat[int(self.rng.integers(len(self.flat) - 1))]
            self._connect(f"skip{layer}", source, size, outputs)
        self.flat.append((self.last, outputs))

    def _connect(self, name: str, source: str, inputs: int, outputs: int) -> None:
        self.nodes[name] = nir.Linear(self._weights(outputs, inputs))
        self.edges += [(source, name), (name, self.last)]

    def _neurons(self, layer: int, *, even: bool) -> None:
        """``even``: the same in all neurons, as a convolution shares its weights."""
        rng, shape = self.rng, self.shape

        def each(low: float, high: float) -> np.ndarray:
            if even or rng.random() < 0.5:
                return np.full(shape, rng.uniform(low, high))
            return rng.uniform(low, high, shape)

        def one(low: float, high: float) -> np.ndarray:
            return np.full(shape, rng.uniform(low, high) * DT)

        zero = np.zeros(shape)
        common = {"v_threshold": each(0.3, 1.5), "v_reset": zero}
        leak = {"v_leak": zero if even or rng.random() < 0.7 else rng.normal(0, 0.05, shape)}
        kind = int(rng.integers(3))
        tau = one(1.1, 40)
        if kind == 0:
            node: nir.NIRNode = nir.IF(r=each(0.5, 1.5) / DT, **common)
        elif kind == 1:
            node = nir.LIF(tau=tau, r=each(0.5, 1.5) * tau / DT, **leak, **common)
        else:
            synapse = one(1.1, 8)
            node = nir.CubaLIF(
                tau_syn=synapse, tau_mem=tau, w_in=synapse / DT, r=each(0.2, 0.8) * tau / DT, **leak, **common
            )
        self._then(f"lif{layer}", node)


def network(seed: int) -> nir.NIRGraph:
    """Network number ``seed``."""
    return Drawn(seed).graph


def stimulus(graph: nir.NIRGraph, seed: int, steps: int = 30, most: int = 1) -> np.ndarray:
    """Spikes (T, 1, *input shape), uint8; or counts up to ``most``."""
    rng = np.random.default_rng(10_000 + seed)
    shape = tuple(int(size) for size in graph.nodes["input"].input_type["input"])
    fires = rng.random((steps, 1, *shape)) < rng.uniform(0.05, 0.6)
    return (fires * rng.integers(1, most + 1, fires.shape)).astype(np.uint8)
