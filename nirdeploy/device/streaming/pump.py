"""pump: the steps of a source through a stream, until the source ends or somebody says so."""

from __future__ import annotations

from collections.abc import Callable

from nirdeploy.device.streaming.session import StepStream
from nirdeploy.device.streaming.sources.source import Ended, Rest, Source, Steps
from nirdeploy.records.steps import Block

BLOCK = 256  #: steps that a source gives at once, at most
_IDLE_S = 0.05  # that are waited for a source while the device has nothing to do


def pump(
    stream: StepStream,
    source: Source,
    told: Callable[[Block], None],
    stop: Callable[[], bool],
    most: int | None = None,
) -> None:
    """Take, feed and tell, in turn.

    Args:
        most: steps that are taken from the source.
        told: is given what came of steps.
        stop: whether to end early; what is under way is told then.

    Raises what source and stream do.
    """
    while not stop() and (most is None or stream.offered < most):
        try:
            given = source.take(0.0 if stream.under_way else _IDLE_S)
        except Ended:
            break
        if isinstance(given, Rest):
            stream.rest()
        elif given is not None:
            stream.offer(given if most is None else _first(given, most - stream.offered))
        for block in stream.collect_blocks(wait=given is None and stream.under_way > 0):
            told(block)
    while stream.under_way:
        for block in stream.collect_blocks(wait=True):
            told(block)
    for block in stream.collect_blocks():
        told(block)


def _first(steps: Steps, count: int) -> Steps:
    """So many of some steps, at most."""
    return {name: values[:count] for name, values in steps.items()} if isinstance(steps, dict) else steps[:count]
