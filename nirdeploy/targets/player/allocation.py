"""Where regions stand in external memory: each only as long as something reads it."""

from __future__ import annotations

from collections.abc import Sequence

from nirdeploy.targets.player.operations import Region


def allocate(regions: Sequence[Region]) -> int:
    """Give each region its offset among those that are there at the same time, for one sample; the words that are
    needed in all. Sizes are those of a sample, so that the offsets for S of them are S times as large."""
    placed: list[Region] = []
    most = 0
    for region in sorted(regions, key=lambda one: (one.born, -one.per_sample)):
        beside = sorted(
            (one for one in placed if one.last >= region.born and one.born <= region.last), key=lambda one: one.offset
        )
        at, best, best_gap = 0, -1, 0
        for one in beside:
            gap = one.offset - at
            if gap >= region.per_sample and (best < 0 or gap < best_gap):
                best, best_gap = at, gap
            at = max(at, one.offset + one.per_sample)
        region.offset = at if best < 0 else best
        placed.append(region)
        most = max(most, region.offset + region.per_sample)
    return most
