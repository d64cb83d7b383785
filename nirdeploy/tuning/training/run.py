"""run: an integer network on tensors, population by population; what lies on a cycle step by step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats, IntegerProjection
from nirdeploy.semantics import order as recurrence
from nirdeploy.tuning.training import membrane, passages
from nirdeploy.tuning.training.cells import Cells, State
from nirdeploy.tuning.training.membrane import Way

#: Bits of sums that float32 holds whichever way they are added up.
_SINGLE = 24


class Run:
    """One run of a network on a stimulus.

    ``weights``: of each projection, in the network's order; ``biases``: float64 (size,), what a step adds to what
    enters a population; ``gates``: populations that only pass spikes on; ``signals``: float32 (T, B, size), of the
    inputs, and of each population once it has run.
    """

    def __init__(
        self,
        network: IntegerNetwork,
        weights: Sequence[Tensor],
        biases: Mapping[str, Tensor],
        stimulus: Mapping[str, Tensor],
        gates: Collection[str],
    ) -> None:
        self._network, self._biases, self.signals = network, biases, dict(stimulus)
        self._weights = {id(p): weight for p, weight in zip(network.projections, weights, strict=True)}
        self._time, self._batch = next(iter(stimulus.values())).shape[:2]
        device = next(iter(stimulus.values())).device
        self._cells = {
            p.name: Cells.of(
                network.neurons(p.name), network.formats, device, self._one_spike(p.name) if p.name in gates else None
            )
            for p in network.populations
        }

    def all(self) -> dict[str, Tensor]:
        """What leaves each population (spike counts, or the membrane): float32 (T, B, size)."""
        reads = {p.name: [q.source for q in self._network.into(p.name)] for p in self._network.populations}
        for together in recurrence.components([*self.signals, *reads], reads):
            if together[0] in self.signals:
                continue
            if len(together) == 1 and together[0] not in reads[together[0]]:
                self._at_once(together[0])
            else:
                self._step_by_step(together)
        return self.signals

    def _one_spike(self, name: str) -> np.ndarray:
        """What one spike adds to each membrane at most: float64 (size,), at least 1."""
        population = self._network.neurons(name)
        most = np.ones(population.size)
        for p in self._network.into(name):
            rows = np.abs(p.weight).reshape(len(p.weight), -1).max(axis=1)[p.operator.groups_of_outputs]
            added = rows * 2.0 ** (population.shift + p.shift)
            most = np.maximum(most, added if p.maximum is None else p.maximum.apply(added))
        return most

    def _way(self, p: IntegerProjection, delay: int) -> Way:
        return Way(self._network.neurons(p.target).shift + p.shift, delay)

    def _sums(self, p: IntegerProjection, signal: Tensor) -> Tensor:
        """Of weights, of signals (T, B, source size)."""
        weight = self._weights[id(p)]
        sums = passages.apply(p, weight, signal.flatten(0, 1).to(weight.dtype))
        # Off the processor, convolutions may be computed by transforms, near to whole numbers.
        exact: Tensor = sums if sums.device.type == "cpu" else sums + (sums.round() - sums).detach()
        return exact.view(*signal.shape[:2], -1)

    def _at_once(self, name: str) -> None:
        arriving = [(self._sums(p, self.signals[p.source]), self._way(p, p.delay)) for p in self._network.into(name)]
        cells = self._cells[name]
        out, _ = membrane.steps(cells, cells.start(self._batch), self._biases[name], arriving, (0, self._time))
        self.signals[name] = out

    def _step_by_step(self, together: list[str]) -> None:
        into = {name: self._network.into(name) for name in together}
        known = {
            id(p): self._sums(p, self.signals[p.source]).unbind(0)
            for name in together
            for p in into[name]
            if p.source not in together
        }
        states = {name: self._cells[name].start(self._batch) for name in together}
        left: dict[str, list[Tensor]] = {name: [] for name in together}
        for t in range(self._time):
            for name in together:  # late spikes are known before anything of the step is
                if self._cells[name].rules.spike_delay:
                    left[name].append(states[name].z.float())
            for name in together:
                arriving = [
                    (
                        known[id(p)][t - p.delay][None]
                        if id(p) in known
                        else self._sums(p, left[p.source][t - p.delay][None])
                    )
                    for p in into[name]
                    if t >= p.delay
                ]
                ways = [self._way(p, 0) for p in into[name] if t >= p.delay]
                states[name] = self._one(name, states[name], list(zip(arriving, ways, strict=True)), t, left[name])
        for name in together:
            self.signals[name] = torch.stack(left[name])

    def _one(self, name: str, state: State, arriving: list[tuple[Tensor, Way]], t: int, left: list[Tensor]) -> State:
        cells = self._cells[name]
        out, after = membrane.steps(cells, state, self._biases[name], arriving, (t, 1))
        if not cells.rules.spike_delay:
            left.append(out[0])
        return after


def exact_type(formats: Formats, device: torch.device) -> torch.dtype:
    """The type that holds all sums of weights exactly, in whichever order they are added.

    Off the processor, products may be computed with fewer bits, or by transforms.
    """
    plain = torch.get_float32_matmul_precision() == "highest" and device.type == "cpu"
    return torch.float32 if plain and formats.accumulator_bits <= _SINGLE else torch.float64
