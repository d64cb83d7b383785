"""Images: what is saved is loaded, bit for bit, and nothing else is."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.errors import CorruptFile
from nirdeploy.records.inputs import InputEncoding
from nirdeploy.targets.image import Image
from tests import networks

IMAGE = nd.build(networks.two_layers()).image


def test_round_trip(tmp_path: Path) -> None:
    IMAGE.save(tmp_path / "i.ndi")
    again = Image.load(tmp_path / "i.ndi")
    assert again.blob == IMAGE.blob
    assert again.digest() == IMAGE.digest()
    assert [s.crc32 for s in again.sections] == [zlib.crc32(s.data) for s in IMAGE.sections]
    assert again.inputs == IMAGE.inputs
    assert again.readouts == IMAGE.readouts


def test_inputs_of_a_range_keep_it() -> None:
    ranged = nd.build(networks.two_layers(), input_range=(-1, 1)).image
    (slot,) = Image.parse(ranged.blob).inputs
    assert slot.encoding == InputEncoding(8, 1 / 127, 128)
    assert b"input_zero" in ranged.blob
    assert b"input_zero" not in IMAGE.blob


def test_equal_inputs_give_equal_bytes() -> None:
    assert nd.build(networks.two_layers()).image.blob == IMAGE.blob
    assert nd.build(networks.two_layers(seed=1)).image.blob != IMAGE.blob


@given(position=st.integers(0, len(IMAGE.blob) - 1), bit=st.integers(0, 7))
def test_a_single_flipped_bit_is_refused(position: int, bit: int) -> None:
    blob = bytearray(IMAGE.blob)
    blob[position] ^= 1 << bit
    with pytest.raises(CorruptFile):
        Image.parse(bytes(blob))


@given(length=st.integers(0, len(IMAGE.blob) - 1))
def test_a_truncated_image_is_refused(length: int) -> None:
    with pytest.raises(CorruptFile):
        Image.parse(IMAGE.blob[:length])


def test_messages(tmp_path: Path) -> None:
    with pytest.raises(CorruptFile, match="not a nirdeploy image.*build one with 'nirdeploy build'"):
        Image.parse(b"ELF" * 40)
    with pytest.raises(CorruptFile, match="cannot read the image: No such file"):
        Image.load(tmp_path / "none.ndi")
    with pytest.raises(CorruptFile, match="its SHA-256 does not match"):
        Image.parse(IMAGE.blob + b"x")
