"""Networks on gather cores: every population cut by lines into slices, so that the cores carry like loads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from nirdeploy.backends.fpga import rows
from nirdeploy.backends.fpga.cost import cycles, work
from nirdeploy.backends.fpga.floorplan import Floorplan, layouts_of
from nirdeploy.backends.fpga.jobs import MOST_COLUMNS
from nirdeploy.backends.fpga.layout import Block
from nirdeploy.backends.fpga.plan import Plan, planned
from nirdeploy.backends.fpga.program import Program
from nirdeploy.backends.fpga.schema import FpgaTarget, Hardware
from nirdeploy.backends.fpga.segments import MOST_BITS
from nirdeploy.errors import InternalError
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Population
from nirdeploy.targets.fit import Problem, refusal, refuse
from nirdeploy.targets.placement import CoreUse, Placement, Slice, validate

_TOO_LARGE = "the network is too large: it needs"
_SMALLER = "make the named layers smaller, or take a target with larger memories"


@dataclass(frozen=True)
class _Need:
    """What one block takes: by the line, and once per core that has any of it. All in the memory's own unit, but for
    weight rows, of which ``together`` stand in the place of one."""

    population: Population
    block: Block
    neurons: int
    parameters: int
    moving: int
    shared: int
    together: int
    shares: bool
    cycles: float

    def rows_on(self, lines: int) -> int:
        own = rows.places(lines * self.moving, self.together)
        return own + (rows.places(self.shared, self.together) if lines else 0)

    def parameters_on(self, lines: int) -> int:
        return self.parameters if self.shares and lines else lines * self.parameters


@dataclass
class _Core:
    """A core being filled."""

    number: int
    neurons: int = 0
    parameters: int = 0
    weight_rows: int = 0
    cycles: float = 0.0
    lines: dict[int, int] = field(default_factory=dict)  # of each block, by its number

    def room(self, need: _Need, block: int, hardware: Hardware) -> bool:
        """Whether one line more goes in."""
        own = self.lines.get(block, 0)
        weight_rows = self.weight_rows + need.rows_on(own + 1) - need.rows_on(own)
        parameters = self.parameters + need.parameters_on(own + 1) - need.parameters_on(own)
        return (
            self.neurons + need.neurons <= hardware.neurons
            and parameters <= hardware.parameters
            and weight_rows <= hardware.weight_rows
        )

    def add(self, need: _Need, block: int) -> None:
        own = self.lines.get(block, 0)
        self.neurons += need.neurons
        self.parameters += need.parameters_on(own + 1) - need.parameters_on(own)
        self.weight_rows += need.rows_on(own + 1) - need.rows_on(own)
        self.cycles += need.cycles
        self.lines[block] = own + 1


def place(network: IntegerNetwork, target: FpgaTarget) -> tuple[Placement, Plan]:
    """Put a network on the target's cores, and predict what a step takes there.

    Raises:
        DoesNotFit: by how much, in which memory, all violations at once.
    """
    placement, plan = arranged(network, target, target.hardware.planes)
    predicted = cycles.predict(plan.floorplan, target.hardware, plan.jobs)
    cores = tuple(
        replace(core, cycles=round(predicted.busy[core.core], 1), limited_by=predicted.limits[core.core])
        for core in placement.cores
    )
    layout = {"cycles_per_step": round(predicted.period, 1), "activity": work.ASSUMED_ACTIVITY}
    return replace(placement, cores=cores, layout=layout), plan


def in_order(placement: Placement, network: IntegerNetwork, target: FpgaTarget) -> None:
    """Re-check what every placement guarantees, and that slices are whole lines, of a group each, on the target's
    cores. Raises :class:`InternalError`."""
    validate(placement, network)
    hardware = target.hardware
    if [core.core for core in placement.cores] != list(range(hardware.cores)):
        raise InternalError(f"it is not of {hardware.cores} cores")
    for core in placement.cores:
        if any(limit != getattr(hardware, name, None) for name, limit in core.limits.items()):
            raise InternalError(f"core {core.core} has other limits than the target's")
    if [part.group for part in placement.slices] != list(range(1, len(placement.slices) + 1)):
        raise InternalError("slices are not of a group each")
    if len(placement.slices) >= hardware.groups:
        raise InternalError(f"there are {len(placement.slices)} slices, of {hardware.groups} groups with the inputs'")
    blocks = {name: layout.blocks for name, layout in layouts_of(network, target).items()}
    for part in placement.slices:
        block = next(b for b in blocks[part.population] if part.first < b.first + b.count)
        after, end = part.first + part.count - block.first, block.count
        if (part.first - block.first) % block.line_neurons or (after != end and after % block.line_neurons):
            raise InternalError(f"slice {part} is not of whole lines")
        if after > end:
            raise InternalError(f"slice {part} is of several blocks")


def arranged(
    network: IntegerNetwork, target: FpgaTarget, most_bits: int, *, sparing: bool = False
) -> tuple[Placement, Plan]:
    """The same without a prediction.

    Args:
        most_bits: of the numbers of an input.
        sparing: weights that all rows of a block share stand on no more cores than it takes to keep all busy.

    Raises:
        DoesNotFit: as :func:`place`.
    """
    hardware, whole = target.hardware, Floorplan(network, target)
    needs = _needs(whole, target)
    refuse([*_beyond_totals(whole, needs, target), *beyond_bits(network, most_bits)], target.name)
    cores = _filled(needs, target, sparing)
    slices: list[Slice] = []
    for number, need in enumerate(needs):
        line = 0
        for core in cores:
            lines = core.lines.get(number, 0)
            if lines:
                first = need.block.first + line * need.block.line_neurons
                count = min(lines * need.block.line_neurons, need.block.first + need.block.count - first)
                slices.append(Slice(need.population.name, core.number, len(slices) + 1, first, count))
                line += lines
    if len(slices) + 1 > hardware.groups:
        found, have = f"the network needs {len(slices) + 1} groups on the bus", f"the target has {hardware.groups}"
        refuse([Problem("", found, have, "merge small populations or choose a target with more groups")], target.name)
    plan = planned(network, target, slices)
    used = {number: _used(program) for number, program in plan.programs.items()}
    limits = {name: int(getattr(hardware, name)) for name in used[0]}
    refuse(_beyond_cores(used, limits), target.name)
    uses = tuple(CoreUse(number, used[number], limits) for number in plan.programs)
    return Placement(network.digest(), target.name, tuple(slices), uses), plan


def _needs(plan: Floorplan, target: FpgaTarget) -> list[_Need]:
    """Of every block of every population, in the network's order."""
    update, needs = target.hardware.update, []
    for population in plan.network.populations:
        for resident in plan.residents(population.name):
            block = resident.part.block
            readers = plan.readers(population.name, block)
            program = Program(plan, target, [Slice(population.name, 0, resident.group, block.first, block.count)])
            slots = math.ceil(block.width / update) * update
            shares = program.parameters < block.rows * slots
            needs.append(
                _Need(
                    population=population,
                    block=block,
                    neurons=block.columns * slots,
                    parameters=slots if shares else block.columns * slots,
                    moving=block.columns * sum(reader.reading.moving for reader in readers),
                    shared=sum(reader.reading.shared for reader in readers),
                    together=plan.together(population.name),
                    shares=shares,
                    cycles=sum(work.job(job, target.hardware) for job in program.jobs) / block.lines,
                )
            )
    return needs


def _filled(needs: list[_Need], target: FpgaTarget, sparing: bool) -> list[_Core]:
    """The cores with all lines on them: evenly, or each block on as few as can be, where rows shared by a block leave
    no room for that. Raises :class:`DoesNotFit`."""
    problems: list[Problem] = []
    evenly = target.hardware.cores if sparing else target.hardware.groups - 1
    for spread in (max(1, evenly // len(needs)), 1):
        cores = [_Core(number) for number in range(target.hardware.cores)]
        found: list[Problem] = []
        for number in sorted(range(len(needs)), key=lambda n: -needs[n].cycles * needs[n].block.lines):
            found = found or _spread(needs[number], number, cores, target.hardware, spread)
        if not found:
            return cores
        problems = problems or found
    raise refusal(problems, target.name)


def _spread(need: _Need, number: int, cores: list[_Core], hardware: Hardware, spread: int) -> list[Problem]:
    """Line by line to the core that then has least to do, on at most ``spread`` of them."""
    for left in range(need.block.lines, 0, -1):
        chosen = [core for core in cores if number in core.lines]
        fitting = [core for core in (chosen if len(chosen) >= spread else cores) if core.room(need, number, hardware)]
        fitting = fitting or [core for core in cores if core.room(need, number, hardware)]
        if not fitting:
            found = (
                f"{left * need.block.line_neurons:,} neurons of {need.population.name!r} find no core with room for a "
                f"line of {need.rows_on(1):,} weight rows, {need.neurons:,} neurons and "
                f"{need.parameters:,} parameters"
            )
            have = (
                f"there are {hardware.cores} cores of {hardware.weight_rows:,} weight rows, {hardware.neurons:,} "
                f"neurons and {hardware.parameters:,} parameters"
            )
            return [Problem(need.population.name, found, have, _SMALLER)]
        min(fitting, key=lambda core: (core.cycles, core.number)).add(need, number)
    return []


def _used(program: Program) -> dict[str, int]:
    return {
        "neurons": program.neurons,
        "parameters": program.parameters,
        "weight_rows": program.weight_rows,
        "jobs": len(program.jobs),
        "segments": len(program.segments),
    }


def _beyond_cores(used: Mapping[int, Mapping[str, int]], limits: Mapping[str, int]) -> list[Problem]:
    """What each core has too little of."""
    return [
        Problem(
            "", f"core {number} needs {own[name]:,} {name.replace('_', ' ')}", f"{limits[name]:,} there are", _SMALLER
        )
        for number, own in used.items()
        for name in own
        if own[name] > limits[name]
    ]


def _beyond_totals(plan: Floorplan, needs: list[_Need], target: FpgaTarget) -> list[Problem]:
    """Everything that cannot fit however it is cut."""
    hardware = target.hardware
    totals: list[tuple[str, Mapping[str, int], int]] = [
        ("neurons", _sum(needs, lambda n: n.neurons * n.block.lines), hardware.cores * hardware.neurons),
        ("parameters", _sum(needs, lambda n: n.parameters_on(n.block.lines)), hardware.cores * hardware.parameters),
        ("weight rows", _sum(needs, lambda n: n.rows_on(n.block.lines)), hardware.cores * hardware.weight_rows),
    ]
    problems = []
    for what, need, have in totals:
        total, largest = sum(need.values()), max(need, key=lambda name: need[name])
        if total > have:
            found = f"{_TOO_LARGE} {total:,} {what} ({largest!r} alone {need[largest]:,})"
            problems.append(Problem(largest, found, f"{have:,} there are", _SMALLER))
    values = hardware.out_words - hardware.spike_words
    for what, number, have, remedy in (
        ("bitmap words", plan.spike_words, hardware.spike_words, _SMALLER),
        ("read-out words", plan.values, values, _SMALLER),
    ):
        if number > have:
            problems.append(Problem("", f"{_TOO_LARGE} {number:,} {what}", f"{have:,} there are", remedy))
    problems += _beyond_words(plan)
    widest = max(needs, key=lambda need: need.rows_on(1))
    if widest.rows_on(1) > hardware.weight_rows:
        name, one = widest.population.name, widest.rows_on(1)
        found = f"{_TOO_LARGE} {one:,} weight rows for one line of {name!r}"
        problems.append(Problem(name, found, f"{hardware.weight_rows:,} a core can hold", _SMALLER))
    return problems


def beyond_bits(network: IntegerNetwork, most: int) -> list[Problem]:
    """Numbers of inputs that have more bits than there may be."""
    bits = max(one.bits for one in network.takes.values())
    found, have = f"{_TOO_LARGE} {bits:,} bits of an input value", f"{most:,} there are"
    return [Problem("", found, have, "build with fewer input bits (--input-bits)")] if bits > most else []


def _beyond_words(plan: Floorplan) -> list[Problem]:
    """Maps so wide that the words of a job or a segment cannot say it, however large the memories are."""
    problems = []
    for name, layout in plan.layouts.items():
        columns, bits = (max(getattr(block, of) for block in layout.blocks) for of in ("columns", "line_bits"))
        if layout.grid and (columns > MOST_COLUMNS or bits > MOST_BITS):
            found = f"the map of {name!r} is {columns:,} columns wide, a line of it {bits:,} bits"
            have = f"a job reads up to {MOST_COLUMNS:,} columns, and lines of up to {MOST_BITS:,} bits"
            problems.append(Problem(name, found, have, "use a narrower map, or several in parallel"))
    return problems


def _sum(needs: list[_Need], of: Callable[[_Need], int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for need in needs:
        found[need.population.name] = found.get(need.population.name, 0) + of(need)
    return found
