"""tonic_: samples of tonic's data sets of events, by name."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from nirdeploy.errors import ToolMissing, UsageProblem

_FORM = "tonic:NAME:FOLDER[:FIRST-LAST], such as tonic:NMNIST:data:0-9; of the test set, where there are two"


def samples(text: str) -> tuple[list[tuple[Any, Any]], tuple[int, ...] | None]:
    """Some samples, (events, class), of ``NAME:FOLDER[:FIRST-LAST]``, and the size of their sensor.

    What is not in the folder tonic fetches, as it does.

    Raises:
        ToolMissing: tonic is not installed. UsageProblem: it knows no such data set, or fails to read it.
    """
    name, _, rest = text.partition(":")
    folder, first, last = _parts(rest)
    chosen = _known(name)
    takes = inspect.signature(chosen).parameters
    try:
        dataset = chosen(save_to=folder, **({"train": False} if "train" in takes else {}))
        count = len(dataset)
        if first >= count:
            raise UsageProblem(f"the data set has {count:,} samples, numbered from 0", where=f"tonic {name}")
        found = [dataset[number] for number in range(first, min(last + 1, count))]
    except (UsageProblem, KeyboardInterrupt):
        raise
    except Exception as error:  # its downloads and its readers each raise their own
        reason = str(error) or type(error).__name__
        raise UsageProblem(f"tonic cannot read the data set: {reason}", where=f"tonic {name} in {folder}") from error
    size = getattr(dataset, "sensor_size", None)
    return found, None if size is None else tuple(int(one) for one in size)


def _parts(rest: str) -> tuple[str, int, int]:
    """Folder, first and last."""
    folder, _, numbers = rest.rpartition(":")
    first, _, last = numbers.partition("-")
    if folder and first.isdecimal() and (not last or last.isdecimal()):
        return folder, int(first), int(last or first)
    if not rest:
        raise UsageProblem("no folder of the data set was named", hint=_FORM)
    return rest, 0, 0


def _known(name: str) -> Any:
    try:
        from tonic import datasets
    except ImportError as error:
        raise ToolMissing(
            f"data sets of tonic need tonic, which is not there: {error}",
            hint="pip install tonic (pip install --no-deps tonic does where its other needs are in the way)",
        ) from error
    chosen = getattr(datasets, name, None)
    if not isinstance(chosen, type):
        raise UsageProblem(
            f"tonic has no data set {name!r}", hint=f"it has {', '.join(_names(vars(datasets).items()))}"
        )
    return chosen


def _names(held: Iterable[tuple[str, Any]]) -> list[str]:
    return sorted(name for name, one in held if isinstance(one, type))
