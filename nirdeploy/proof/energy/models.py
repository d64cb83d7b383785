"""models: published models of energy, each a price of what was counted; a range, for no two of them agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from nirdeploy.proof.energy.events import Load
from nirdeploy.proof.energy.published import published

_PJ = 1e-12


@dataclass(frozen=True)
class Model:
    """``price``: pJ of what one population did."""

    name: str
    year: int
    source: str
    price: Callable[[Load], float]

    def joules(self, loads: Iterable[Load]) -> float:
        return _PJ * sum(self.price(load) for load in loads)


@dataclass(frozen=True)
class Estimate:
    """What a model says of a sample, from ``low`` to ``high`` joules."""

    model: str
    year: int
    source: str
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def float_operations(load: Load) -> float:
    """As papers on spiking networks count: 0.9 pJ for an addition, 4.6 for a multiplication with its addition, of
    synaptic operations alone."""
    table, events = published().operations, load.events
    both = table.float_addition + table.float_multiplication
    return events.additions * table.float_addition + events.multiplications * both


def integer_operations(load: Load) -> float:
    """Synaptic operations and updates, in the integers that the network has."""
    table, events, widths = published().operations, load.events, load.widths
    add, multiply = table.addition(widths.accumulator), table.multiplication(widths.weight)
    return (
        events.additions * add
        + events.multiplications * (add + multiply)
        + events.update_additions * table.addition(widths.state)
        + events.update_multiplications * table.multiplication(max(widths.state, widths.decay))
    )


def bits_moved(load: Load) -> float:
    """The same, and every bit that is moved: weights once per operation; membranes read and written, and parameters
    read, once per update; addresses of what is sent. Populations have memories of their own, words are used in full."""
    memory, events = published().memory, load.events
    states = 2 * load.stored_states / load.size * events.updates
    return integer_operations(load) + (
        events.weight_bits * memory.per_bit(load.stored_weights)
        + states * memory.per_bit(load.stored_states)
        + events.parameter_bits * memory.per_bit(load.stored_parameters)
        + events.address_bits * memory.per_bit(0)
    )


def words_accessed(load: Load) -> float:
    """As Lemaire et al. count, driven by events: integers of 32 bits; for each operation an address is computed, a
    weight read, a membrane read and written, each an access of its own; so are parameters and what is sent."""
    table, memory, events = published().operations, published().memory, load.events
    add, multiply = table.addition(32), table.multiplication(32)
    states = 2 * (events.operations + events.updates)
    return (
        (2 * events.operations + events.update_additions + events.update_multiplications) * add
        + (events.multiplications + events.update_multiplications) * multiply
        + events.operations * memory.per_access(load.stored_weights)
        + states * memory.per_access(load.stored_states)
        + events.updates * memory.per_access(load.stored_parameters)
        + events.addresses * memory.per_access(0)
    )


def of_tables() -> tuple[Model, ...]:
    """Models that price every network: tables at 45 nm, without and with memory."""
    table, (year, source) = published().operations, published().by_access
    return (
        Model("operations, 32-bit float", table.year, table.source, float_operations),
        Model("operations, the network's integers", table.year, table.source, integer_operations),
        Model("operations and bits moved", table.year, table.source, bits_moved),
        Model("operations and words accessed", year, source, words_accessed),
    )


def of_boards(seconds: float) -> Estimate:
    """The power that published boards draw, for so long."""
    boards = [one for one in published().boards if one.power]
    powers, sources = published().powers.values(), f"{len(boards)} published designs (docs/energy.md)"
    return Estimate("boards' power x time", max(b.year for b in boards), sources, *_range(powers, seconds))


def of_chips(operations: float) -> Estimate:
    """What published chips take for so many synaptic operations."""
    chips = [one for one in published().chips if one.pj_per_operation]
    prices, sources = published().of_operations.values(), f"{len(chips)} published chips (docs/energy.md)"
    return Estimate("chips' operations", max(c.year for c in chips), sources, *_range(prices, operations * _PJ))


def _range(prices: Iterable[float], times: float) -> tuple[float, float]:
    found = sorted(prices)
    return found[0] * times, found[-1] * times
