"""Files that commands take: builds, images, records, stimuli."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nirdeploy.errors import UsageProblem

if TYPE_CHECKING:
    from nirdeploy.image import Image


def image(path: Path) -> Image:
    """The image of a build folder, or an image file. Raises :class:`UsageProblem`, :class:`CorruptFile`."""
    from nirdeploy.image import Image
    from nirdeploy.pipeline import Build

    if path.is_dir():
        return Build.load(path).image
    if not path.is_file():
        raise UsageProblem(f"there is no build {path}", hint="make one with 'nirdeploy build'")
    return Image.load(path)


def stimulus(path: Path) -> Any:
    """A stimulus from ``.npy``, or ``.npz`` with one array, or with one per input population.

    Raises:
        UsageProblem: no such file, or not one of NumPy's.
    """
    import numpy as np

    if not path.is_file():
        raise UsageProblem(f"there is no stimulus file {path}")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    except Exception as error:  # numpy, zipfile and zlib each raise their own on a damaged file
        raise UsageProblem(
            "this is not a stimulus: NumPy cannot read it", where=str(path), hint="save it with numpy.save or numpy.savez"
        ) from error
    if not arrays:
        raise UsageProblem("the stimulus file holds no array", where=str(path))
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays
