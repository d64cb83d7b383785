"""How weight rows use their memory: rows of few bits stand by two or four in the place of one."""

from __future__ import annotations

from collections.abc import Iterable

from nirdeploy.backends.fpga.plan import Plan


def rows(plans: Iterable[Plan]) -> dict[str, float | str]:
    """``weight_rows`` of all plans, the ``row_places`` that they take, and whose stand ``together``; nothing where
    each has a place of its own."""
    held = places = 0
    together: dict[str, int] = {}
    for plan in plans:
        held += sum(program.rows for program in plan.programs.values())
        places += sum(program.weight_rows for program in plan.programs.values())
        for population in plan.floorplan.network.populations:
            count = plan.floorplan.together(population.name)
            if count > 1:
                together[population.name] = max(count, together.get(population.name, 1))
    if not together:
        return {}
    said = ", ".join(f"{name} by {count}" for name, count in together.items())
    return {"weight_rows": held, "row_places": places, "together": said}
