"""chosen: the populations of two records that are compared."""

from __future__ import annotations

from collections.abc import Sequence

from nirdeploy.errors import UnknownPopulation, meant
from nirdeploy.records.spikes import SpikeRecord


def names_of(record: SpikeRecord) -> list[str]:
    return [*record.spikes, *(name for name in record.membrane if name not in record.spikes)]


def chosen(expected: SpikeRecord, measured: SpikeRecord, populations: Sequence[str] | None) -> list[str]:
    """The populations to compare, of those that either record holds. Raises :class:`UnknownPopulation`."""
    theirs, ours = names_of(expected), names_of(measured)
    names = list(dict.fromkeys([*theirs, *ours]))
    if populations is not None:
        unknown = sorted(set(populations) - set(names))
        if unknown:
            hint = meant(unknown, names, "populations:")
            raise UnknownPopulation(f"no record holds {', '.join(unknown)}", hint=hint)
        if not populations:
            raise UnknownPopulation(
                "nothing to compare: no population is asked for", hint=f"there are {', '.join(names)}"
            )
        names = [name for name in names if name in populations]
    if not set(theirs) & set(ours) & set(names):
        raise UnknownPopulation(
            "nothing to compare: the records have no population in common",
            hint=f"{expected.source}: {', '.join(theirs) or 'none'}; {measured.source}: {', '.join(ours) or 'none'}",
        )
    return names
