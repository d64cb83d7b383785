"""downstream: what is recorded of a device, if a population that is not recorded sent something else."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.causes import faulty
from nirdeploy.proof.causes.clamped import Lanes
from nirdeploy.proof.causes.fault import Fault

_NUMBERS = 1 << 23  # that are held at once


class Downstream:
    """``signals``: of inputs and populations as they should be, ``device``: as they are recorded; (T, S, size)."""

    def __init__(
        self, network: IntegerNetwork, name: str, signals: Mapping[str, np.ndarray], device: Mapping[str, np.ndarray]
    ) -> None:
        self.network, self.name, self.signals, self.device = network, name, signals, device
        runs = faulty.components(network, [name for name, _ in network.inputs])
        place = next(at for at, run in enumerate(runs) if name in run)
        self.closed = any(p.source in runs[place] for one in runs[place] for p in network.into(one))
        moved, self.runs = {name}, []
        for run in runs[place + 1 :]:
            if any(p.source in moved for one in run for p in network.into(one)):
                self.runs.append(run)
                moved |= {*run}
        self.read = {p.source for run in self.runs for one in run for p in network.into(one)} - moved
        self.shown = [one for one in device if one in moved]
        self.always = float(any((device[one] != signals[one]).any() for one in device if one not in moved))
        self.part = {one: 1 / max(1, int(np.abs(device[one] - signals[one]).sum())) for one in device}

    def apart(self, trains: np.ndarray, lanes: Lanes, hypotheses: int, samples: int) -> np.ndarray:
        """How far the record is from each hypothesis: float (hypotheses,), 0 where it is equal; about 1 a population
        where it is as far as from the network as it should be.

        Args:
            trains: int64 (T, lanes), what a neuron sends in a sample; of a hypothesis one neuron, in every sample.
        """
        steps, found = len(trains), np.full(hypotheses, self.always)
        size = self.signals[self.name].shape[2] + sum(self.signals[one].shape[2] for run in self.runs for one in run)
        size += sum(self.signals[one].shape[2] for one in self.read)
        many = max(1, _NUMBERS // (steps * samples * size))
        for begin in range(0, hypotheses, many):
            some = np.flatnonzero((lanes.hypothesis >= begin) & (lanes.hypothesis < begin + many))
            count = min(many, hypotheses - begin)
            batch = {one: np.tile(self.signals[one], (1, count, 1)) for one in (self.name, *self.read)}
            column = (lanes.hypothesis[some] - begin) * samples + lanes.sample[some]
            batch[self.name] = batch[self.name].astype(np.int64)
            batch[self.name][:, column, lanes.neuron[some]] = trains[:, some]
            for run in self.runs:
                batch |= faulty.onward(self.network, run, batch)
            for one in self.shown:
                odd = batch[one].reshape(steps, count, samples, -1) - self.device[one][:, None]
                found[begin : begin + count] += np.abs(odd).sum(axis=(0, 2, 3)) * self.part[one]
        return found

    def of_fault(self, fault: Fault, stimulus: Mapping[str, np.ndarray]) -> float:
        """How far the record is from a network with a fault."""
        said = faulty.run(fault, stimulus)
        return sum(float(np.abs(said[one] - v).sum()) * self.part[one] for one, v in self.device.items())
