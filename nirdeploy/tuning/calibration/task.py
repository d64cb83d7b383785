"""task: samples to calibrate on, and how much of what the float network says about them is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nirdeploy.errors import InputShapeError, UsageProblem
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.evaluate import class_numbers, evaluate
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.sim import float_, integer
from nirdeploy.tuning.calibration import arriving

#: How sharp a softmax of scores may be: its temperature, in standard deviations of the float network's scores.
_TEMPERATURES = np.geomspace(0.05, 5.0, 40)


@dataclass(frozen=True, order=True)
class Loss:
    """What is lost, the smaller the better; compared by ``wrong`` first.

    ``wrong``: samples whose class is not the label (0 without labels). ``value``: the mean square of what the scores
    differ from the float network's, in units of their variance; with labels, the cross-entropy of the scores (nats) is
    added.
    """

    wrong: int
    value: float


@dataclass(frozen=True, eq=False)
class Task:
    """``x``: (T, B, ...) as :func:`nirdeploy.simulate` takes it. ``labels``: int64 (B,), or None.

    ``probe``: what records hold, as for a simulation; calibration reads all populations, a loss the outputs.
    """

    graph: CheckedGraph
    x: Any
    labels: np.ndarray | None = None
    probe: str = "all"

    @classmethod
    def of(cls, graph: CheckedGraph, x: Any, labels: Any = None, probe: str = "all") -> Task:
        """Raises :class:`InputShapeError`: no samples, or labels that do not go with them."""
        steps, samples = np.shape(next(iter(x.values())) if isinstance(x, Mapping) else x)[:2]
        if not steps or not samples:
            raise InputShapeError("there are no samples to calibrate on", hint="(T, B, ...), steps and samples first")
        return cls(graph, x, None if labels is None else class_numbers(labels, samples, steps), probe)

    @cached_property
    def exact(self) -> SpikeRecord:
        """The float network's."""
        return float_.simulate(self.graph, self.x, self.probe)

    @cached_property
    def sent(self) -> Mapping[str, np.ndarray]:
        """What each population of the float network sends, as :func:`.arriving.sent`."""
        return arriving.sent(self.graph, self.exact, self.x)

    def record(self, network: IntegerNetwork) -> SpikeRecord:
        """A network's in integers."""
        return integer.simulate(network, self.x, self.probe)

    @cached_property
    def _exact(self) -> np.ndarray:
        return self._scores(self.exact)

    @cached_property
    def _temperature(self) -> float:
        """The one at which the float network's scores say most about the labels."""
        spread = float(self._exact.std()) or 1.0
        return min((float(t) * spread for t in _TEMPERATURES), key=lambda t: self._cross_entropy(self._exact, t))

    def _scores(self, record: SpikeRecord) -> np.ndarray:
        labels = np.zeros(record.samples) if self.labels is None else self.labels
        return np.asarray(evaluate(record, labels).scores[-1])

    def _cross_entropy(self, scores: np.ndarray, temperature: float) -> float:
        assert self.labels is not None
        scaled = scores / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(scaled)), self.labels]).mean())

    def loss(self, network: IntegerNetwork) -> Loss:
        """Of a network on the samples. Raises, as :meth:`lost`."""
        return self.lost(self.record(network))

    def lost(self, record: SpikeRecord) -> Loss:
        """Of what a network said of the samples.

        Raises:
            UsageProblem: the float network says the same of every sample, so nothing can be lost.
        """
        spread = float(self._exact.var(axis=0).mean())
        if not spread:
            raise UsageProblem(
                "the float network's output is the same for every sample: nothing can be told from these",
                hint="give samples of several kinds, on which it spikes (nirdeploy simulate MODEL -x SAMPLES shows "
                "it); a recording is one sample unless it is cut (--cut TIME)",
            )
        scores = self._scores(record)
        differs = float(((scores - self._exact) ** 2).mean()) / spread
        if self.labels is None:
            return Loss(0, differs)
        wrong = int((scores.argmax(axis=1) != self.labels).sum())
        return Loss(wrong, differs + self._cross_entropy(scores, self._temperature))
