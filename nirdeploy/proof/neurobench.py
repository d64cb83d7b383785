"""neurobench: the metrics of NeuroBench's algorithm track, from a network and a record, without a framework.

The definitions are those of the package ``neurobench`` 2.3.0 (``neurobench.metrics``; Yik et al., arXiv:2304.04640), a
test holds these figures to it. As there,
    - a layer of weights is dense or a convolution, also where it leads back to its neurons. Of what reaches it in a
      step it takes every weight that is not 0 for every number that is not 0 (effective), or all for all (dense);
      padding is none of either. Biases are no operations.
    - it accumulates (AC) in a step in which the whole batch sends it nothing but -1, 0 and 1, and multiplies (MAC) in
      every other: a layer that reads counts or real numbers does some of both. The batch is that of the record.
    - a neuron of a recurrent layer reads the spikes of the step before, in the first step none.
    - a membrane is updated in the first step, and in each that changes it.
    - operations and updates are those of all steps, per sample; sparsities are parts of one.

It differs where a graph in its normal form does not hold what the package counts:
    - Parameters are weights and biases. Decays and thresholds that were trained are in the footprint alone; so are, of
      snnTorch's neurons, two numbers that they hold beside them. States are in neither: the package counts those too
      of a net that has run before. A bias of nothing but 0 is none. Biases of one population are added up, and linear
      layers without neurons between them multiplied (batch norms, pools of currents): what is left is one layer.
    - A number takes 32 bits; snnTorch holds a threshold that was written as a whole number (``threshold=1``) in 64.
    - A layer reads a step once; snnTorch runs that of a recurrent layer twice where its reset is to zero.
    - A read-out that never spikes is no activation; snnTorch compares its membrane with a threshold that nobody reads.
    - Behind a pool a number is an average of spikes, a MAC; behind a maximum of spikes it is a spike.
    - The connection sparsity is not rounded (there: to four decimals).

An integer network has the same metrics of its integers: numbers in the bits of the target, weights that were rounded to
0, inputs as whole steps from their zero point. Numbers of a chip's neurons count as wide as its states, as its files do
not say more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from nirdeploy.errors import InputShapeError, UsageProblem
from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.stored import Layer, layers, stored, weights
from nirdeploy.records import inputs
from nirdeploy.records.brief import Brief
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.neuron import SPIKING
from nirdeploy.targets.image import Image

_WITHOUT_MEMBRANE = ("Input", "Output", "Threshold")


@runtime_checkable
class Built(Protocol):
    """What holds a network in all its forms: a Build that came to its end."""

    @property
    def graph(self) -> CheckedGraph: ...
    @property
    def network(self) -> IntegerNetwork: ...
    @property
    def image(self) -> Image: ...


@dataclass(frozen=True, repr=False)
class Metrics(Brief):
    """Of one network on one stimulus.

    ``footprint``: bytes. ``sparsity_by_layer``: of the activations of each spiking population. ``macs``, ``acs``
    (effective), ``dense`` and ``membrane_updates``: per sample; no updates where the record lacks a membrane.
    ``image_bytes``: what is flashed, of a build.
    """

    source: str
    parameters: int
    footprint: float
    connection_sparsity: float
    activation_sparsity: float
    sparsity_by_layer: Mapping[str, float]
    macs: float
    acs: float
    dense: float
    membrane_updates: float | None = None
    image_bytes: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """By the names that NeuroBench has for them."""
        return {
            "parameter_count": self.parameters,
            "footprint": self.footprint,
            "image_bytes": self.image_bytes,
            "connection_sparsity": self.connection_sparsity,
            "activation_sparsity": self.activation_sparsity,
            "activation_sparsity_by_layer": dict(self.sparsity_by_layer),
            "synaptic_operations": {"Effective_MACs": self.macs, "Effective_ACs": self.acs, "Dense": self.dense},
            "membrane_updates": self.membrane_updates,
        }


def metrics(what: CheckedGraph | IntegerNetwork | Built, record: SpikeRecord, x: Any) -> Metrics:
    """NeuroBench's metrics of what was run on ``x`` (T, B, *input shape), by the definitions above.

    Args:
        what: the graph of a float record, the integer network of any other; or a Build, which has both.
        record: of all populations; with the membranes of :func:`with_membrane`, for the updates of these.

    Raises:
        UsageProblem: a record of the other, or one that lacks a population. InputShapeError: ``x`` is not what was run.
    """
    image = None
    if isinstance(what, Built):
        what, image = (what.graph, None) if record.source == "float" else (what.network, what.image)
    if isinstance(what, CheckedGraph) != (record.source == "float"):
        wanted = "graph" if record.source == "float" else "integer network"
        raise UsageProblem(f"the record of source {record.source!r} is not of what it comes with", hint=f"the {wanted}")
    every = weights(what)
    total = sum(weight.size for weight in every)
    numbers = stored(what)
    done = _operations(what, signals(what, record, x))
    silent = {name: int((spikes == 0).sum()) for name, spikes in _activations(what, record).items()}
    sizes = {name: record.spikes[name].size for name in silent}
    return Metrics(
        source=record.source,
        parameters=sum(one.count for one in numbers if one.parameter),
        footprint=sum(one.count * one.bits for one in numbers) / 8,
        connection_sparsity=sum(int((weight == 0).sum()) for weight in every) / total if total else 0.0,
        activation_sparsity=sum(silent.values()) / sum(sizes.values()) if silent else 0.0,
        sparsity_by_layer={name: silent[name] / sizes[name] for name in silent},
        macs=done[0] / record.samples,
        acs=done[1] / record.samples,
        dense=done[2] / record.samples,
        membrane_updates=_updates(what, record),
        image_bytes=None if image is None else image.total_bytes,
    )


def with_membrane(what: CheckedGraph | IntegerNetwork) -> tuple[str, ...]:
    """The populations whose membranes are updated."""
    return tuple(p.name for p in what.populations if p.model not in _WITHOUT_MEMBRANE)


def signals(what: CheckedGraph | IntegerNetwork, record: SpikeRecord, x: Any) -> dict[str, np.ndarray]:
    """By input and population what it sent: (T, B, size), inputs as the network takes them."""
    sent = _given(what, x)
    for name, values in sent.items():
        if values.shape[:2] != (record.steps, record.samples):
            raise InputShapeError(
                f"the stimulus has {values.shape[0]} steps of {values.shape[1]} samples, the record {record.steps} of "
                f"{record.samples}",
                where=f"input {name!r}",
                hint="give the stimulus that was run",
            )
    for p in what.populations:
        if p.model == "Input":
            continue
        if p.name not in (record.spikes if p.model in SPIKING else record.membrane):
            raise UsageProblem(f"the record holds nothing of the population {p.name!r}", hint="record all populations")
        values = record.spikes[p.name] if p.model in SPIKING else record.volts(p.name)
        sent[p.name] = values.reshape(record.steps, record.samples, -1)
    return sent


def arriving(layer: Layer, sent: Mapping[str, np.ndarray]) -> np.ndarray:
    """What reaches a layer's weights in each step: (T, B, its inputs); behind a pool the averages of its windows."""
    signal, delay = sent[layer.source], layer.delay
    if delay:
        late = np.zeros_like(signal)
        late[delay:] = signal[: max(len(signal) - delay, 0)]
        signal = late
    return signal if layer.pool is None else layer.pool.apply(signal.astype(np.float64)) / math.prod(layer.pool.kernel)


def _given(what: CheckedGraph | IntegerNetwork, x: Any) -> dict[str, np.ndarray]:
    """The inputs' numbers (T, B, size): as they are, of integer networks as whole steps from the zero point."""
    if isinstance(what, CheckedGraph):
        given = inputs.analog(x, [(name, what.population(name).shape) for name in what.inputs])
    else:
        given = inputs.stimulus(x, what.inputs, what.takes, ranged=not what.dynamics)
        taken = {name: encoding for name, encoding in what.takes.items() if encoding.scale is not None}
        given |= {name: held.numbers(given[name]) / held.step for name, held in taken.items()}
    return {name: values.reshape(*values.shape[:2], -1) for name, values in given.items()}


def _operations(what: CheckedGraph | IntegerNetwork, sent: Mapping[str, np.ndarray]) -> tuple[float, float, float]:
    """MACs, ACs and dense operations of all steps and samples."""
    macs = acs = dense = 0.0
    for layer in layers(what):
        came = arriving(layer, sent)
        there = came != 0
        plain = (~there | (np.abs(came) == 1)).all(axis=(1, 2))
        taken = layer.connected.apply(there.sum(axis=1, dtype=np.float64)).sum(axis=1)
        acs += float(taken[plain].sum())
        macs += float(taken[~plain].sum())
        whole = replace(layer.operator, weight=np.ones(layer.weight.shape))
        dense += float(whole.apply(np.ones(layer.operator.inputs)).sum()) * len(came) * came.shape[1]
    return macs, acs, dense


def _activations(what: CheckedGraph | IntegerNetwork, record: SpikeRecord) -> dict[str, np.ndarray]:
    return {name: record.spikes[name] for name in with_membrane(what) if what.population(name).model in SPIKING}


def _updates(what: CheckedGraph | IntegerNetwork, record: SpikeRecord) -> float | None:
    """Changes of membranes from step to step, the first included, per sample."""
    names = with_membrane(what)
    if any(name not in record.membrane for name in names):
        return None
    membranes = [record.membrane[name] for name in names]
    changed = sum(v[0].size + np.count_nonzero(v[1:] != v[:-1]) for v in membranes)
    return float(changed) / record.samples
