"""Images: what is saved is loaded, bit for bit, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.errors import CorruptFile
from nirdeploy.records.inputs import InputEncoding
from nirdeploy.targets.image import MAGIC, Image
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


def forged(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The image with another header, and with the SHA-256 of it. ``change`` gives the header's bytes, or changes it."""
    start = len(MAGIC) + 4
    end = start + int.from_bytes(IMAGE.blob[len(MAGIC) : start], "little")
    header = json.loads(IMAGE.blob[start:end])
    text = change(header) or json.dumps(header).encode()
    body = MAGIC + len(text).to_bytes(4, "little") + text + IMAGE.blob[end:-32]
    return body + hashlib.sha256(body).digest()


def said(**changed: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda header: header.update(changed)


def of_input(**changed: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda header: header["inputs"][0].update(changed)


def of_readout(**changed: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda header: header["readouts"][0].update(changed)


def of_part(**changed: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda header: header["readouts"][0]["parts"][0].update(changed)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda header: b"[]", "the header is []"),
        (lambda header: b"[" * 100_000, "nested too deeply"),
        (lambda header: b'{"sections":' + b"1" * 6000 + b"}", "more digits than are read"),
        (said(target=5), "the target is 5"),
        (said(signature=["zz"]), "the signature is ['zz']"),
        (said(signature="zz"), "fromhex"),
        (said(signature="00"), "8 bytes in hex"),
        (said(outputs=[3]), "outputs is [3]"),
        (said(provenance="abc"), "the provenance is 'abc'"),
        (said(dt="x"), "dt is 'x'"),
        (said(external="9" * 10), "external is '9999999999'"),
        (said(input_words=1 << 40), "input_words is 1099511627776"),
        (said(input_words=0), "of 0 that there are"),
        (said(inputs=[]), "it has no input"),
        (said(inputs=[3]), "mapping"),
        (said(passes=[3]), "int"),
        (said(wiring=[1]), "not of this version"),
        (lambda header: header["sections"][0].update(words=-1), "the length of a section is -1"),
        (lambda header: header["sections"][0].update(address=-1), "is -1"),
        (lambda header: header["inputs"].append(header["inputs"][0]), "unlike each other"),
        (of_input(shape=3), "shape is 3, expected a list"),
        (of_input(shape=[-3]), "is -3"),
        (of_input(first_bit=10**9), "the bits of input 'input' end at"),
        (of_input(planes=64), "bits is 64"),
        (of_input(grid=[1, 2, 3]), "the grid of input 'input' is [1, 2, 3]"),
        (of_input(border=[[10**9, 10**9]]), "not of this version"),
        (of_readout(kind="x"), "is 'x', expected one of 'spikes', 'membrane'"),
        (of_readout(late=-1), "is -1"),
        (of_readout(scale=["x"]), "is 'x', expected a number"),
        (of_readout(grid=[1, 1, 1]), "the grid of read-out"),
        (of_part(count=1 << 40), "is 1099511627776"),
        (of_part(count=1), "neuron"),
        (of_part(width=0), "is 0"),
        (of_part(pitch=1 << 30, width=1), "the bits of a part"),
        (of_part(planes=0), "is 0"),
    ],
)
def test_a_header_of_another_kind_is_refused(change: Callable[[dict[str, Any]], Any], expected: str) -> None:
    with pytest.raises(CorruptFile, match="the image's header is not of this version") as caught:
        Image.parse(forged(change))
    assert expected in str(caught.value)


def test_the_forger_forges_nothing_else() -> None:
    assert Image.parse(forged(said())).inputs == IMAGE.inputs
