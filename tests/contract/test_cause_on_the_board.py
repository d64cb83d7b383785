"""A fault in the image that the virtual board is given: the cause is told from the board's own record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.graph import file as nirfile
from nirdeploy.targets.image import Image
from tests import networks

pytestmark = pytest.mark.xdist_group("rtl")


def test_a_bit_of_the_weights_memory(tmp_path: Path) -> None:
    nirfile.write(tmp_path / "m.nir", networks.two_layers(sizes=(20, 30, 10)))
    built = nd.build(tmp_path / "m.nir", out=tmp_path / "build")
    x = networks.spikes(2, (30, 8, 20), 0.4)
    expected = nd.simulate(built, x)
    with nd.open_device("virtual", built.target) as device:
        for core, population in (("core0", "lif1"), ("core1", "lif2")):
            odd = _flipped(built.image, f"{core}.weights")
            nd.flash(odd, device)
            verdict = nd.verify(expected, nd.run(device, x, image=odd), built=built, x=x)
            assert verdict.cause is not None
            first = verdict.cause.faults[0]
            assert (first.kind, first.population) == ("weight", population)
            assert first.explains == verdict.mismatches > 0
            assert first.others is not None
            assert first.should is not None
            low, high = first.others
            assert any(low <= first.should + change <= high for change in (64, -64))


def _flipped(image: Image, name: str) -> Image:
    """The second highest bit of the first weight that is not 0."""
    section = next(s for s in image.sections if s.name == name)
    words = np.array(section.words, dtype=np.uint32)
    words[np.flatnonzero(words & 0xFF)[0]] ^= np.uint32(1 << 6)
    return replace(image, sections=tuple(replace(s, words=words) if s is section else s for s in image.sections))
