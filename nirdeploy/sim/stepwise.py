"""stepwise: an integer network on and on, its state kept: steps come when they come, and what they did is known.

The neurons are those of :mod:`nirdeploy.sim.integer`; here is kept what steps need of those before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records import inputs
from nirdeploy.records.spikes import SpikeRecord, counts
from nirdeploy.semantics import order as recurrence
from nirdeploy.sim.dynamics import dynamics_of
from nirdeploy.sim.engine.layout import Signals
from nirdeploy.sim.integer import Definition, Own, Steps, Trace, manifest


class Stepwise:
    """A network that starts from rest, one sample of it.

    Args:
        probed: populations to read: spikes of those that spike, membranes of the others.
    """

    def __init__(self, network: IntegerNetwork, probed: tuple[str, ...]) -> None:
        self._network, self._dynamics, self._probed = network, dynamics_of(network), probed
        self._spiking = {p.name: p.spiking for p in network.populations}
        self._keep = {name for name in probed if not self._spiking[name]}
        entered = [name for name, _ in network.inputs]
        sources = {p.name: [q.source for q in network.into(p.name)] for p in network.populations}
        found = recurrence.components([*entered, *sources], sources)
        self._together = [together for together in found if together[0] not in entered]
        self._reach = max((q.delay for q in network.projections), default=0)
        self.saturations = 0
        self.rest()

    def rest(self) -> None:
        """A new sample begins with the next step."""
        self._done, self._states = 0, dict[str, Any]()
        sizes = {name: int(np.prod(self._sent(name, shape))) for name, shape in self._network.inputs}
        sizes |= {p.name: p.size for p in self._network.populations}
        self._before = {name: np.zeros((self._reach, 1, size), np.int64) for name, size in sizes.items()}

    def _sent(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self._network.takes[name].sent(shape)

    @property
    def head(self) -> SpikeRecord:
        """A record of no steps."""
        network, known = self._network, [p for p in self._network.populations if p.name in self._probed]
        spikes = np.uint32 if network.dynamics else np.uint8  # a chip may count more than a byte holds
        nothing = {p.name: np.zeros((0, 1, *p.shape), spikes if p.spiking else np.int32) for p in known}
        return SpikeRecord(
            spikes={name: values for name, values in nothing.items() if self._spiking[name]},
            membrane={name: values for name, values in nothing.items() if not self._spiking[name]},
            scale={p.name: p.scale.reshape(p.shape) for p in known if not p.spiking},
            source=network.target if network.dynamics else "integer",
            dt=network.dt,
            outputs=dict(network.outputs),
            manifest=manifest(network),
            latency=network.latencies,
        )

    def advance(self, x: Any) -> dict[str, np.ndarray]:
        """The next steps, of ``x`` (T, 1, *input shape): what each probed population did, (T, *shape).

        Raises:
            InputShapeError: the inputs do not take ``x``; nothing was stepped then.
        """
        network, before = self._network, self._before
        stimulus = inputs.stimulus(x, network.inputs, network.takes, ranged=self._dynamics is None)
        time = len(next(iter(stimulus.values())))
        entered = {
            name: np.concatenate([before[name], values.reshape(time, 1, -1)]) for name, values in stimulus.items()
        }
        trace = Trace(Signals(entered), {}, [])
        for together in self._together:
            self._advanced(together, trace)
        self._done += time
        self.saturations += trace.saturations
        self._before = {name: values[len(values) - self._reach :] for name, values in trace.signals.items()}
        return {name: self._read(name, trace) for name in self._probed}

    def _advanced(self, together: list[str], trace: Trace) -> None:
        network, signals = self._network, trace.signals
        how: Definition | Own = (
            Definition(network, together, signals, self._done - self._reach)
            if self._dynamics is None
            else Own(network, together, signals, self._dynamics)
        )
        states: Mapping[str, Any] = {name: self._states.get(name) or how.start(name, 1) for name in together}
        begun = {name: self._before[name] for name in together}, dict(states)
        steps = Steps(network, together, trace, self._keep, None, how, begun)
        steps.all()
        self._states |= steps.states

    def _read(self, name: str, trace: Trace) -> np.ndarray:
        population = self._network.population(name)
        values = trace.membrane[name] if name in self._keep else counts(trace.signals[name])
        return np.asarray(values[self._reach :].reshape(-1, *population.shape))
