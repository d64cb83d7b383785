"""search: why a device differs from its network in integers.

The population is found by the device's own record: the first that does not do what its sources, as the device has them,
ask for. There faults of every kind are tried on a few samples and then on all; those that explain all of it are run in
the whole network and held against the whole record.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nirdeploy.errors import InputShapeError
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.processes import progress
from nirdeploy.proof.causes import faulty, unrecorded
from nirdeploy.proof.causes.cause import Cause, Explained
from nirdeploy.proof.causes.clamped import WORK, Clamped
from nirdeploy.proof.causes.events import lost_events
from nirdeploy.proof.causes.fault import OPEN, Fault, shifted
from nirdeploy.proof.causes.hypothesis import Hypothesis, slipped
from nirdeploy.proof.causes.own import sent, state_bits
from nirdeploy.proof.causes.parameters import parameters
from nirdeploy.proof.causes.sources import sources
from nirdeploy.proof.causes.weights import memory_bits, one_weight, scaled
from nirdeploy.records import inputs
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.sim.simulate import Quantized

SAMPLES = 8  # hypotheses are tried in first
_NUMBERS = 1 << 24  # of a population that are looked at: steps x samples x neurons
_POPULATIONS = 3  # that do not do what their sources ask for, in which faults are looked for
_FINAL = 2  # hypotheses of a kind and population that are run in the whole network
_VERIFIED = 30  # faults of a population that is not recorded that are run on all samples
_LISTED = 8


def cause(built: IntegerNetwork | Quantized, x: Any, measured: SpikeRecord) -> Cause:
    """What would make a device do what its record says, where the network in integers does otherwise.

    Args:
        built: a network in integers, or what holds one, such as a Build.
        x: the stimulus (T, B, *input shape) of the record.
        measured: a device's record of some or all populations.

    Raises:
        InputShapeError: the record is not of that stimulus, or of another network.
    """
    network = built if isinstance(built, IntegerNetwork) else built.network
    if network.dynamics:
        return Cause(0, remarks=("causes are not looked for: neurons of the target's own are not known in integers",))
    search = _Search(network, x, measured)
    return search.cause()


class _Search:
    def __init__(self, network: IntegerNetwork, x: Any, measured: SpikeRecord) -> None:
        self.network = network
        held = inputs.stimulus(x, network.inputs, network.takes)
        flat = {name: values.reshape(*values.shape[:2], -1) for name, values in held.items()}
        device = _recorded(network, measured)
        self.stimulus, self.device = _agreeing(flat, device)
        self.expected = faulty.run(Fault(network), self.stimulus)
        odd = {name: values != self.expected[name] for name, values in self.device.items()}
        self.differing = sum(int(cells.sum()) for cells in odd.values())
        self.order = [name for run in faulty.components(network, list(flat)) for name in run]
        self.remarks: list[str] = []
        self._few(odd)

    def _few(self, odd: Mapping[str, np.ndarray]) -> None:
        """Keep the samples that differ most where there are very many numbers."""
        steps, batch = next(iter(self.stimulus.values())).shape[:2]
        largest = max(p.size for p in self.network.populations)
        most = max(1, _NUMBERS // (steps * largest))
        self.numbers = np.arange(batch)
        if batch <= most:
            return
        often = np.sum([cells.sum(axis=(0, 2)) for cells in odd.values()], axis=0)
        kept = self.numbers = np.sort(np.argsort(-often, kind="stable")[:most])
        self.stimulus, self.device, self.expected = (
            {name: values[:, kept] for name, values in held.items()}
            for held in (self.stimulus, self.device, self.expected)
        )
        self.remarks.append(f"looked at in the {most:,} of {batch:,} samples that differ most")
        self.differing = sum(int(odd[name][:, kept].sum()) for name in odd)

    def cause(self) -> Cause:
        if not self.differing:
            return Cause(0)
        suspects = self.suspects()
        tried: list[tuple[int, Hypothesis]] = []
        likely = self._final([*self._everywhere(), *self._of(suspects), *self._hidden()])
        for found in progress.each("replaying, hypotheses", likely):
            tried.append((self._left(found.fault), found))
        if not any(left == 0 for left, _ in tried):
            more = [
                h for one in suspects for n in one.neurons[:2] if len(one.neurons) > 1 for h in self._all(one.only(n))
            ]
            tried += [(self._left(found.fault), found) for found in self._final(more)]
        # Where what leads to it is not recorded, it may have begun there.
        population = suspects[0].name if suspects and not self._unseen(suspects[0].name) else ""
        return Cause(self.differing, tuple(self._ranked(tried)), population, len(tried), tuple(self.remarks))

    def suspects(self) -> list[Clamped]:
        """Populations that do not do what their sources ask for, by the device's record, in order."""
        signals, found = dict(self.stimulus), list[Clamped]()
        for run in faulty.components(self.network, list(self.stimulus)):
            unknown = [name for name in run if name not in self.device]
            signals |= {name: self.device[name] for name in run if name in self.device}
            if unknown:
                signals |= self._onward(run, signals, unknown)
            for name in run:
                if name in self.device and len(found) < _POPULATIONS:
                    clamped = Clamped(self.network, name, signals)
                    clamped.numbers = self.numbers
                    if clamped.wrong.any():
                        found.append(clamped)
        return found

    def _onward(self, run: list[str], signals: Mapping[str, np.ndarray], unknown: list[str]) -> dict[str, np.ndarray]:
        found = faulty.onward(self.network, run, signals)
        return {name: found[name] for name in unknown}

    def _everywhere(self) -> Iterator[Hypothesis]:
        """What concerns all that is recorded."""
        if len(self.device) > 1 and not any(values.any() for values in self.device.values()):
            nothing = dict.fromkeys(self.device, np.zeros_like)
            text = "all that is recorded is stuck at 0"
            yield Hypothesis("stuck bit", next(iter(self.device)), text, Fault(self.network, said=nothing), 0.3)
        for steps, left in itertools.product((1, -1, 2, -2, 3, -3), OPEN):
            change = shifted(steps, left)
            if all(np.array_equal(change(self.expected[n]), self.device[n]) for n in self.device):
                when = f"{abs(steps)} step{'s' if abs(steps) > 1 else ''} too {'late' if steps > 0 else 'early'}"
                fault = Fault(self.network, said=dict.fromkeys(self.device, change))
                text = f"all that is recorded is {when}{left}"
                yield Hypothesis("step shifted", next(iter(self.device)), text, fault, 0.3 * slipped(steps))

    def _of(self, suspects: list[Clamped]) -> Iterator[Hypothesis]:
        for clamped in suspects:
            yield from self._all(clamped)

    def _unseen(self, *names: str) -> list[str]:
        """Populations that are not recorded and lead to these, the nearest first."""
        behind: set[str] = set()
        for _ in self.order:
            for name in (*names, *(behind - {*self.device})):
                behind |= {p.source for p in self.network.into(name)}
        return [name for name in reversed(self.order) if name in behind and name not in self.device]

    def _hidden(self) -> Iterator[Hypothesis]:
        """Faults in populations that are not recorded and lead to those that differ."""
        odd = {name for name, values in self.device.items() if (values != self.expected[name]).any()}
        unseen = self._unseen(*odd)
        if not unseen:
            return
        often = np.sum([(self.device[n] != self.expected[n]).sum(axis=(0, 2)) for n in odd], axis=0)
        some = np.sort(np.argsort(-often, kind="stable")[: unrecorded.SAMPLES])
        signals = {name: v[:, some] for name, v in {**self.stimulus, **self.expected}.items()}
        device = {name: values[:, some] for name, values in self.device.items()}
        listed = ", ".join(map(repr, reversed(unseen)))
        self.remarks.append(f"{listed} not recorded: a record of all populations (--probe all) tells more")
        for name in unseen:
            found, cut = unrecorded.unrecorded(self.network, name, signals, device)
            if cut:
                self.remarks.append(f"not every fault of {name!r} was tried")
            likely = sorted(found, key=lambda h: -h.mass)[:_VERIFIED]
            yield from (one for one in likely if self._left(one.fault) == 0)

    def _all(self, clamped: Clamped) -> Iterator[Hypothesis]:
        """Faults of every kind that explain all of a population."""
        samples = clamped.samples(SAMPLES)
        yield from sent(clamped, self.expected[clamped.name])
        yield from parameters(clamped, samples)
        yield from one_weight(clamped, samples)
        yield from sources(clamped, samples)
        yield from lost_events(clamped, samples)
        yield from state_bits(clamped, samples)
        yield from memory_bits(clamped, samples)
        yield from scaled(clamped, samples)
        if clamped.work > WORK:
            self.remarks.append(f"not every fault of {clamped.name!r} was tried, it is large: few samples take less")

    def _final(self, found: list[Hypothesis]) -> list[Hypothesis]:
        """The likeliest of each kind in each population."""
        chosen: dict[tuple[str, str], list[Hypothesis]] = {}
        for one in sorted(found, key=lambda h: -h.mass):
            chosen.setdefault((one.population, one.kind), []).append(one)
        self._masses = getattr(self, "_masses", {})
        for key, those in chosen.items():
            self._masses[key] = max(self._masses.get(key, 0.0), sum(h.mass for h in those))
        return [h for those in chosen.values() for h in those[:_FINAL]]

    def _left(self, fault: Fault) -> int:
        """Cells of the record that differ from a network with that fault."""
        said = faulty.run(fault, self.stimulus)
        return sum(int((said[name] != values).sum()) for name, values in self.device.items())

    def _ranked(self, tried: list[tuple[int, Hypothesis]]) -> Iterator[Explained]:
        """Those that explain most, the likeliest kind first."""
        good = [(left, h) for left, h in tried if left < self.differing]
        if not good:
            return
        least = min(left for left, _ in good)
        best = [(left, h) for left, h in good if left == least or least > 0]
        mass = {id(h): self._masses[h.population, h.kind] for _, h in best}
        total = sum({(h.population, h.kind): mass[id(h)] for _, h in best}.values())
        best.sort(key=lambda pair: (pair[0], -mass[id(pair[1])], -pair[1].mass))
        for left, h in _some(best, _LISTED if least == 0 else 3):
            yield Explained(
                kind=h.kind,
                population=h.population,
                source=h.source,
                text=h.text,
                explains=self.differing - left,
                place=h.place,
                should=h.should,
                device=h.device,
                others=h.others,
                likely=round(mass[id(h)] / total, 4),
            )


def _some(ranked: list[tuple[int, Hypothesis]], most: int) -> list[tuple[int, Hypothesis]]:
    """So many of them in their order; the second of a kind before others of other kinds only where there is room."""
    firsts: dict[tuple[str, str], int] = {}
    for place, (_, h) in enumerate(ranked):
        firsts.setdefault((h.population, h.kind), place)
    chosen = [*firsts.values(), *(place for place in range(len(ranked)) if place not in firsts.values())]
    return [ranked[place] for place in sorted(chosen[:most])]


def _recorded(network: IntegerNetwork, measured: SpikeRecord) -> dict[str, np.ndarray]:
    """What a record says of the network's populations: (T, B, size)."""
    found = {}
    for population in network.populations:
        held = measured.spikes if population.spiking else measured.membrane
        if population.name not in held:
            continue
        values = held[population.name]
        if values.shape[2:] != population.shape or values.dtype.kind not in "bui":
            raise InputShapeError(
                f"the record's {population.name!r} holds {values.dtype} of shape {values.shape[2:]}, the network's "
                f"holds whole numbers of shape {population.shape}",
                hint="give a device's record of this build",
            )
        found[population.name] = values.reshape(*values.shape[:2], -1).astype(np.int64)
    if not found:
        raise InputShapeError("the record holds none of the network's populations", hint="give a record of this build")
    return found


def _agreeing(
    stimulus: dict[str, np.ndarray], device: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    one, other = (next(iter(held.values())).shape[:2] for held in (stimulus, device))
    if one != other:
        raise InputShapeError(
            f"the stimulus is of {one[0]} steps x {one[1]} samples, the record of {other[0]} x {other[1]}",
            hint="give the stimulus that the device ran on",
        )
    return stimulus, device
