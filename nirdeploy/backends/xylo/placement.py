"""Numbers for every neuron, and what the chip has for them: all that does not fit is said at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nirdeploy.backends.xylo import wiring
from nirdeploy.backends.xylo.schema import Hardware
from nirdeploy.backends.xylo.wiring import Wiring
from nirdeploy.errors import InternalError
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets.fit import Fit, Problem
from nirdeploy.targets.placement import CoreUse, Placement, Slice
from nirdeploy.targets.tables import Target


def place(network: IntegerNetwork, target: Target) -> Fit:
    """The chip's one core, or everything that keeps the network from it."""
    needs = wiring.of_network(network, target.hardware)
    if found := violations(needs, target.hardware):
        return Fit(found, network)
    placement = Placement(
        network=network.digest(),
        target=target.name,
        slices=tuple(Slice(p.name, 0, 0, 0, p.size) for p in network.populations),
        cores=(_use(needs, target.hardware),),
        layout=_layout(needs, target.hardware),
    )
    return Fit((), network, placement)


def violations(needs: Wiring, hardware: Hardware) -> tuple[Problem, ...]:
    """What of neurons and synapses the chip has no room for."""
    weights = {name: int(fan.sum()) for name, fan in needs.fan_out().items()}
    total = sum(weights.values())
    parts = ", ".join(f"{name!r} {count}" for name, count in weights.items())
    memory = Problem(
        "",
        f"the hidden neurons have {total} synapses ({parts})",
        f"the chip's memory {hardware.hidden_weights}",
        "prune weights to zero, or use fewer neurons",
    )
    return (
        *_too_many_ends(needs, hardware),
        *_too_many(needs, hardware),
        *([memory] if total > hardware.hidden_weights else []),
        *_out_of_reach(needs, hardware),
    )


def _too_many_ends(needs: Wiring, hardware: Hardware) -> Iterator[Problem]:
    if (channels := sum(needs.inputs.values())) > hardware.inputs:
        found = f"the inputs {wiring.listed(list(needs.inputs))} have {channels} channels"
        yield Problem("", found, f"the chip {hardware.inputs}", "use fewer, or sum some up")
    if (outputs := sum(needs.outputs.values())) > hardware.outputs:
        found = f"the outputs {wiring.listed(list(needs.outputs))} have {outputs} neurons"
        remedy = "use fewer, or split the network over two chips"
        yield Problem("", found, f"the chip {hardware.outputs}", remedy)


def _too_many(needs: Wiring, hardware: Hardware) -> Iterator[Problem]:
    """Hidden neurons, with those that a large fan-out takes more."""
    more = {name: int(count.sum()) for name, count in needs.aliases(hardware).items() if count.any()}
    fan_out = needs.fan_out()
    for name, fan in fan_out.items():
        if not hardware.aliases and fan.max(initial=0) > hardware.fan_out:
            yield Problem(
                name,
                f"node {name!r} has a neuron with {fan.max()} synapses",
                f"the chip at most {hardware.fan_out}",
                "prune weights to zero, or use fewer neurons behind it",
            )
    total = sum(needs.hidden.values()) + sum(more.values())
    if total <= hardware.hidden:
        return
    parts = ", ".join(f"{name!r} {size}" for name, size in needs.hidden.items())
    beyond = "".join(
        f", and {count} aliases of {name!r}, whose neurons have up to {fan_out[name].max()} synapses where one "
        f"holds {hardware.fan_out}"
        for name, count in more.items()
    )
    yield Problem(
        "",
        f"the network needs {total} hidden neurons ({parts}{beyond})",
        f"the chip has {hardware.hidden}",
        "use fewer" + (", or prune weights to zero" if more else ""),
    )


def _out_of_reach(needs: Wiring, hardware: Hardware) -> Iterator[Problem]:
    entered = {s.target for s in needs.synapses if s.source in needs.inputs}
    leaving = {s.source for s in needs.synapses if s.target in needs.outputs}
    aliases = needs.aliases(hardware)
    sizes = {name: size + int(aliases[name].sum()) for name, size in needs.hidden.items()}
    total = sum(sizes.values())
    for name, size in sizes.items():
        first = needs.first(name, sizes)
        if name in entered and first + size > hardware.input_reach:
            yield Problem(
                name,
                f"node {name!r} gets inputs and takes hidden neurons up to number {first + size}",
                f"inputs lead to the first {hardware.input_reach}",
                "make the populations behind the inputs smaller, or put one between",
            )
        if name in leaving and total - first > hardware.output_reach:
            yield Problem(
                name,
                f"node {name!r} feeds an output from {total - first} hidden neurons before their end",
                f"outputs are read from the last {hardware.output_reach}",
                "make the populations before the outputs smaller, or put one between",
            )


def _use(needs: Wiring, hardware: Hardware) -> CoreUse:
    aliases = needs.aliases(hardware)
    fan_out = [int(np.minimum(fan, hardware.fan_out).max(initial=0)) for fan in needs.fan_out().values()]
    used = {
        "inputs": sum(needs.inputs.values()),
        "hidden": sum(needs.hidden.values()) + sum(int(count.sum()) for count in aliases.values()),
        "outputs": sum(needs.outputs.values()),
        "fan_out": max(fan_out, default=0),
        "hidden_weights": sum(int(fan.sum()) for fan in needs.fan_out().values()),
    }
    return CoreUse(0, used, {name: getattr(hardware, name) for name in used})


def _layout(needs: Wiring, hardware: Hardware) -> dict[str, Any]:
    """Numbers by population. An alias stands right behind its neuron, so that it repeats it in the same step, and
    spikes still arrive in the order of the neurons."""
    hidden: dict[str, list[int]] = {}
    alias: list[list[int]] = []
    number = 0
    for name, more in needs.aliases(hardware).items():
        hidden[name] = []
        for count in more.tolist():
            hidden[name].append(number)
            alias += [[n, n + 1] for n in range(number, number + count)]
            number += 1 + count
    return {
        "inputs": _numbers(needs.inputs),
        "hidden": hidden,
        "outputs": _numbers(needs.outputs),
        "hidden_neurons": number,
        "aliases": alias,
    }


def _numbers(sizes: Mapping[str, int]) -> dict[str, list[int]]:
    first = np.cumsum([0, *sizes.values()]).tolist()
    return {name: list(range(begin, begin + size)) for begin, (name, size) in zip(first, sizes.items(), strict=False)}


def in_order(placement: Placement, network: IntegerNetwork, target: Target) -> None:
    """Re-check numbers, and that the projections are in the order and of the delays that the chip has.

    Raises:
        InternalError: they are not.
    """
    needs = wiring.of_network(network, target.hardware)
    if placement.cores != (_use(needs, target.hardware),):
        raise InternalError("the core does not hold what the network takes")
    numbers = [n for of in placement.layout["hidden"].values() for n in of]
    numbers += [copy for _, copy in placement.layout["aliases"]]
    if sorted(numbers) != list(range(placement.layout["hidden_neurons"])):
        raise InternalError("hidden neurons do not have a number each")
    if placement.layout != _layout(needs, target.hardware):
        raise InternalError("the numbers are not those of the network's neurons")
    for population in network.populations:
        into = network.into(population.name)
        if [p.delay for p in into] != [int(p.source not in needs.inputs) for p in into]:
            raise InternalError(f"projections into {population.name!r} have other delays than the chip")
        order = [needs.position(p.source) for p in into]
        if order != sorted(order):
            raise InternalError(f"projections into {population.name!r} are not in the order of the chip's numbers")


def estimate(network: IntegerNetwork, activity: float) -> dict[str, float | str]:
    """Synaptic events per step at ``activity``, and the steps from input to output; the vendor publishes no energy or
    time per event."""
    return {
        "synaptic_events": activity * sum(int((p.weight != 0).sum()) for p in network.projections),
        "latency_steps": float(max(network.population(name).latency for name in network.outputs.values())),
    }
