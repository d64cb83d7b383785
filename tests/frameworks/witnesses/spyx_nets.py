"""Runs inside Spyx's environment: ``random FOLDER SEEDS``, ``export FOLDER``, ``import JOBS`` or ``refused``."""

from __future__ import annotations

import json
import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ["JAX_ENABLE_X64"] = "1"  # the reference's float64; must be set before jax is imported

import jax
import jax.numpy as jnp
import nir
import numpy as np
import spyx.nir
import spyx.nn as snn
from flax import nnx

from tests.frameworks.witnesses.plumbing import (
    frontend,
    import_all,
    refusals,
    stimulus,
    table_network,
    weights,
    write_own,
)

DT = 1e-4
KINDS = ("LIF", "IF", "CuBaLIF", "RLIF", "RIF", "RCuBaLIF", "PSU_LIF", "mixed", "conv")


def linear(rng: np.random.Generator, inputs: int, outputs: int, *, bias: bool) -> nnx.Linear:
    layer = nnx.Linear(inputs, outputs, use_bias=bias, param_dtype=jnp.float64, rngs=nnx.Rngs(0))
    layer.kernel[...] = jnp.asarray(weights(rng, outputs, inputs).T)
    if bias:
        layer.bias[...] = jnp.asarray(rng.normal(0.05, 0.1, outputs))
    return layer


def neuron(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> nnx.Module:
    """A layer as Spyx makes it (decays per neuron, some beyond 0 and 1, where it clips them) or with one decay."""
    options = {} if kind in ("IF", "RIF") or rng.random() < 0.7 else {"beta": float(rng.uniform(0.3, 0.99))}
    threshold = 1.0 if rng.random() < 0.5 else float(rng.uniform(0.5, 1.5))
    layer = getattr(snn, kind)(shape, threshold=threshold, rngs=nnx.Rngs(int(rng.integers(1 << 30))), **options)
    if kind.startswith("R"):
        layer.recurrent_w[...] = jnp.asarray(weights(rng, shape[0], shape[0], scale=1.0))
    return layer


def network(seed: int) -> tuple[snn.Sequential, tuple[int, ...]]:
    """A random network and the shape of its input as NIR has it."""
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    if kind == "conv":
        return convolutional(rng)
    sizes = [int(size) for size in rng.integers(3, 14, int(rng.integers(2, 4)) + 1)]
    layers: list[nnx.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers.append(linear(rng, inputs, outputs, bias=bool(rng.integers(2))))
        own = KINDS[int(rng.integers(7))] if kind == "mixed" else kind
        layers.append(neuron(rng, own, (outputs,)))
    if rng.random() < 0.3:
        layers += [linear(rng, sizes[-1], 4, bias=True), snn.LI((4,), rngs=nnx.Rngs(0))]
    return snn.Sequential(*layers), (sizes[0],)


def convolutional(rng: np.random.Generator) -> tuple[snn.Sequential, tuple[int, ...]]:
    channels, maps, height, width = 2, 3, 9, 7
    stride = int(rng.integers(1, 3))
    padding = "SAME" if rng.random() < 0.5 else "VALID"
    conv = nnx.Conv(channels, maps, (3, 3), strides=stride, padding=padding, param_dtype=jnp.float64, rngs=nnx.Rngs(0))
    conv.kernel[...] = jnp.asarray(rng.normal(0.1, 0.4, conv.kernel.shape))
    size = [-(-n // stride) if padding == "SAME" else (n - 3) // stride + 1 for n in (height, width)]
    kind = str(rng.choice(["LIF", "IF"]))
    pooled = [(n - 2) // 2 + 1 for n in size]
    layers = [
        conv,
        neuron(rng, kind, (*size, maps)),
        snn.SumPool((2, 2), (2, 2), "VALID"),
        snn.Flatten(),
        snn.ActivityRegularization((maps * pooled[0] * pooled[1],)),
        linear(rng, maps * pooled[0] * pooled[1], 5, bias=True),
        neuron(rng, kind, (5,)),
    ]
    return snn.Sequential(*layers), (channels, height, width)


def run(net: snn.Sequential, x: np.ndarray, *, hold: bool = True) -> dict[str, np.ndarray]:
    """Spikes of every spiking layer, by its node; images channels first. ``hold``: the last, to ``spyx.nn.run``."""
    channels_last = jnp.asarray(x.transpose(0, 1, 3, 4, 2) if x.ndim == 5 else x)

    def step(state: list[Any], x_t: jax.Array) -> tuple[list[Any], list[jax.Array]]:
        after, signals = [], [x_t]
        for layer, own in zip(net.layers, state, strict=True):
            signal, own = (layer(signals[-1]), None) if own is None else layer(signals[-1], own)
            after.append(own)
            signals.append(signal)
        return after, signals[1:]

    _, signals = jax.lax.scan(step, net.initial_state(x.shape[1]), channels_last)
    if hold:
        np.testing.assert_array_equal(np.asarray(snn.run(net, channels_last)[0]), np.asarray(signals[-1]))
    found = {}
    for index, (layer, signal) in enumerate(zip(net.layers, signals, strict=True)):
        kind = type(layer).__name__
        if kind in KINDS:
            name = f"_{index}" + ("_threshold" if kind == "PSU_LIF" else "")
            values = np.asarray(signal)
            found[name] = values.transpose(0, 1, 4, 2, 3) if values.ndim == 5 else values
    return found


def random(folder: Path, seeds: int) -> None:
    export = frontend("spyx").export
    for seed in range(seeds):
        net, shape = network(seed)
        x = stimulus(np.random.default_rng(1000 + seed), shape)
        step = x[0].transpose(0, 2, 3, 1) if x[0].ndim == 4 else x[0]
        nir.write(str(folder / f"{seed}.nir"), export(net, step, DT))
        ran = run(net, x, hold=seed < 2 * len(KINDS) and seed % 2 == 0)
        np.savez(folder / f"{seed}.npz", x=x, **dict[str, Any](ran))


def table() -> tuple[snn.Sequential, np.ndarray]:
    (first, second), x = table_network()
    layers: list[nnx.Module] = []
    for weight in (first, second):
        layer = nnx.Linear(weight.shape[1], weight.shape[0], use_bias=False, param_dtype=jnp.float64, rngs=nnx.Rngs(0))
        layer.kernel[...] = jnp.asarray(weight.T)
        layers += [layer, snn.LIF((weight.shape[0],), beta=0.9, rngs=nnx.Rngs(0))]
    return snn.Sequential(*layers), x


def export(folder: Path) -> None:
    net, x = table()
    np.savez(folder / "run.npz", out=run(net, x)["_3"], dt=DT)
    nir.write(str(folder / "repaired.nir"), frontend("spyx").export(net, x[0], DT))
    sizes = {"input": np.array([16])}, {"output": np.array([8])}
    write_own(folder, lambda: spyx.nir.to_nir(net, *sizes, dt=DT))


def importer(graph: nir.NIRGraph, x: np.ndarray, dt: float) -> np.ndarray:
    return np.asarray(spyx.nir.from_nir(graph, jnp.asarray(x), dt=dt)[1])


class Other(snn.IF):
    """A neuron of a user's own."""

    def __call__(self, x: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
        return super().__call__(2 * x, v)


def names() -> None:
    """The nodes of a Sequential, and of one whose last neurons are recurrent, as JSON."""
    make, rngs = frontend("spyx").export, nnx.Rngs(0)
    first = [nnx.Linear(4, 6, rngs=rngs), snn.LIF((6,), rngs=rngs), nnx.Linear(6, 3, rngs=rngs)]
    nets = [snn.Sequential(*first, last((3,), rngs=rngs)) for last in (snn.LIF, snn.RLIF)]
    sys.stdout.write(json.dumps([list(make(net, np.zeros((1, 4))).nodes) for net in nets]))


def refused() -> None:
    make, rngs = frontend("spyx").export, nnx.Rngs(0)
    flat, image = np.zeros((1, 4)), np.zeros((1, 6, 6, 2))
    dilated = nnx.Conv(2, 3, (3, 3), kernel_dilation=2, rngs=rngs)
    strided = nnx.Conv(2, 3, (2, 2), strides=5, padding="SAME", rngs=rngs)
    refusals(
        {
            "adaptive": lambda: make(snn.Sequential(snn.ALIF((4,), rngs=rngs)), flat),
            "derived": lambda: make(snn.Sequential(Other((4,))), flat),
            "function": lambda: make(snn.Sequential(np.tanh, snn.IF((4,))), flat),
            "dilated": lambda: make(snn.Sequential(dilated, snn.IF((2, 2, 3))), image),
            "lopsided": lambda: make(snn.Sequential(strided, snn.IF((2, 2, 3))), image),
            "unflattened": lambda: make(snn.Sequential(nnx.Linear(2, 3, rngs=rngs), snn.IF((6, 6, 3))), image),
            "between": lambda: make(snn.Sequential(snn.IF((6, 6, 2)), snn.Flatten(), snn.IF((72,))), image),
        }
    )


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "random":
        random(Path(rest[0]), int(rest[1]))
    elif command == "export":
        export(Path(rest[0]))
    elif command == "import":
        import_all(Path(rest[0]), importer)
    elif command == "names":
        names()
    else:
        refused()
