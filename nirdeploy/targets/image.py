"""image: everything a device needs in one self-describing file.

Layout: magic, u32 length of the header, header (JSON), the sections' words, SHA-256 of all before.
The header names target, hardware signature, each section's address, length and SHA-256, and the
layout by which a host turns spikes into input words and output words into spikes.

A network of several passes is an image of images: it has no sections of its own, each pass has a header of its own
within the header, and words that several passes have in common stand in the file once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nirdeploy.errors import CorruptFile
from nirdeploy.records import entries, files, inputs, spikes, store
from nirdeploy.records.brief import brief, listed
from nirdeploy.records.inputs import border_from
from nirdeploy.targets import header
from nirdeploy.targets.slots import InputSlot, Readout, ReadoutPart, Section
from nirdeploy.targets.wiring import Wiring

MAGIC = b"NIRDIMG1"
_HASH_BYTES = 32


@dataclass(frozen=True, repr=False)
class Image:
    """Sections to write and the layout to run by. ``signature``: 8 bytes as hex.

    ``provenance`` holds the digests of what the image was built from and the options. ``passes``: where a network needs
    several, the image of each, whose ``wiring`` says what it reads and gives; inputs and readouts are then the whole
    network's, and stand nowhere. ``external``: MiB of memory beside the chip, in which passes may be played.
    """

    FILE: ClassVar[str] = "image.ndi"  # in a build's folder

    target: str
    signature: str
    sections: tuple[Section, ...]
    inputs: tuple[InputSlot, ...]
    input_words: int
    readouts: tuple[Readout, ...]
    outputs: Mapping[str, str]
    dt: float
    provenance: Mapping[str, Any]
    passes: tuple[Image, ...] = ()
    wiring: Wiring | None = None
    external: int = 0

    def __repr__(self) -> str:
        reads = listed([readout.population for readout in self.readouts])
        passes = f" of {len(self.passes):,} passes" if self.passes else ""
        return brief(self, f"{self.digest()[:12]} for {self.target}: {self.total_bytes:,} bytes{passes}, reads {reads}")

    @property
    def blob(self) -> bytes:
        """The file's bytes; equal images give equal bytes."""
        text = json.dumps(self._header(), sort_keys=True, separators=(",", ":")).encode()
        body = MAGIC + len(text).to_bytes(4, "little") + text + b"".join(self._words().values())
        return body + hashlib.sha256(body).digest()

    def _words(self) -> dict[str, bytes]:
        """What stands behind the header: the sections' words; of passes, each that is unlike the others by its hash."""
        if not self.passes:
            return {str(number): section.data for number, section in enumerate(self.sections)}
        return {section.sha256: section.data for one in self.passes for section in one.sections}

    def _header(self) -> dict[str, Any]:
        said = {
            "target": self.target,
            "signature": self.signature,
            "sections": [
                {
                    "name": s.name,
                    "address": s.address,
                    "words": len(s.words),
                    "sha256": s.sha256,
                }
                for s in self.sections
            ],
            "inputs": [slot.as_dict() for slot in self.inputs],
            "input_words": self.input_words,
            "readouts": [asdict(readout) for readout in self.readouts],
            "outputs": dict(self.outputs),
            "dt": self.dt,
            "provenance": dict(self.provenance),
        }
        said |= {"passes": [one._header() for one in self.passes]} if self.passes else {}
        said |= {"external": self.external} if self.external and self.passes else {}
        return said | ({"wiring": self.wiring.as_dict()} if self.wiring else {})

    @cached_property
    def digest_bytes(self) -> bytes:
        """The image hash a device keeps: SHA-256 over the whole file but its last 32 bytes."""
        return self.blob[-_HASH_BYTES:]

    def digest(self) -> str:
        return self.digest_bytes.hex()

    def manifest(self) -> dict[str, Any]:
        """What a record of a run of this image says of it: digests of image and network, and the target."""
        said = {"image": self.digest(), "target": self.target}
        return said | {"network": self.provenance["network"]} if "network" in self.provenance else said

    @property
    def total_bytes(self) -> int:
        """Bytes of all sections together, those that passes share once."""
        return sum(map(len, self._words().values()))

    def save(self, path: Path) -> None:
        store.write_atomic(path, self.blob)

    @classmethod
    def load(cls, path: Path) -> Image:
        """Raises :class:`CorruptFile` if a single bit differs from what was saved."""
        try:
            return cls.parse(files.content(path, begins=MAGIC), where=str(path))
        except OSError as error:
            raise CorruptFile(
                f"cannot read the image: {error.strerror}", where=str(path), hint="name an image.ndi of a build folder"
            ) from error

    @classmethod
    def parse(cls, blob: bytes, *, where: str = "image") -> Image:
        """Read :attr:`blob` back; checks the whole hash and each section's."""
        body, tail = blob[:-_HASH_BYTES], blob[-_HASH_BYTES:]
        if not blob.startswith(MAGIC):
            raise CorruptFile("this is not a nirdeploy image", where=where, hint="build one with 'nirdeploy build'")
        if hashlib.sha256(body).digest() != tail:
            raise CorruptFile(
                "the image is damaged: its SHA-256 does not match its content", where=where, hint="build it again"
            )
        try:
            image = cls._from_body(body, where)
            header.check(image)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise CorruptFile(
                f"the image's header is not of this version ({entries.said(error)})", where=where, hint="build it again"
            ) from error
        return image

    @classmethod
    def _from_body(cls, body: bytes, where: str) -> Image:
        start = len(MAGIC) + 4
        end = start + int.from_bytes(body[len(MAGIC) : start], "little")
        said = entries.table(entries.parsed(body[start:end]), "the header")
        sections, offset = [], end
        known: dict[str, np.ndarray] = {}
        parts = said.get("passes", ())
        for entry in (*said["sections"], *(entry for part in parts for entry in part["sections"])):
            if not parts or entry["sha256"] not in known:
                count = entries.whole(entry["words"], "the length of a section")
                words = np.frombuffer(body, dtype="<u4", count=count, offset=offset)
                if hashlib.sha256(words.tobytes()).hexdigest() != entry["sha256"]:
                    raise CorruptFile(f"section {entry['name']!r} does not match its SHA-256", where=where)
                known[entry["sha256"]], offset = words, offset + words.nbytes
            sections.append(Section(entry["name"], entry["address"], known[entry["sha256"]]))
        return cls._of_header(said, iter(sections))

    @classmethod
    def _of_header(cls, said: Mapping[str, Any], sections: Iterator[Section]) -> Image:
        """An image from its header; takes the sections that it has, then those of its passes, from ``sections``."""
        return cls(
            target=said["target"],
            signature=said["signature"],
            sections=tuple(islice(sections, len(said["sections"]))),
            inputs=tuple(
                InputSlot(**{**s, "shape": _listed(s, "shape"), "grid": _listed(s, "grid"), "border": border_from(s)})
                for s in said["inputs"]
            ),
            input_words=said["input_words"],
            readouts=tuple(
                Readout(
                    r["population"],
                    _listed(r, "shape"),
                    r["kind"],
                    tuple(ReadoutPart(**part) for part in r["parts"]),
                    _listed(r, "scale"),
                    _listed(r, "grid"),
                    _listed(r, "widths"),
                    r["late"],
                )
                for r in said["readouts"]
            ),
            outputs=said["outputs"],
            dt=said["dt"],
            provenance=said["provenance"],
            passes=tuple(cls._of_header(one, sections) for one in said.get("passes", ())),
            wiring=Wiring.from_dict(said["wiring"]) if "wiring" in said else None,
            external=said.get("external", 0),
        )


def _listed(entry: Any, name: str) -> tuple[Any, ...]:
    return tuple(entries.several(entries.table(entry, "an input or read-out")[name], name))


def stimulus_of(image: Image, x: Any) -> dict[str, np.ndarray]:
    """A stimulus as the image's inputs take it (see :func:`nirdeploy.records.inputs.stimulus`)."""
    shapes = [(slot.name, slot.shape) for slot in image.inputs]
    return inputs.stimulus(x, shapes, {slot.name: slot.encoding for slot in image.inputs})


def input_bitmap(image: Image, stimulus: Mapping[str, np.ndarray]) -> np.ndarray:
    """The bits of what :func:`stimulus_of` gives, by input: uint8 (B, T, 32 input words)."""
    time, batch = next(iter(stimulus.values())).shape[:2]
    bits = np.zeros((batch, time, image.input_words * 32), dtype=np.uint8)
    for slot in image.inputs:
        values = stimulus[slot.name]
        if slot.grid:
            values = np.moveaxis(values.reshape(time, batch, *slot.grid), 2, -1)
        flat = values.reshape(time, batch, -1).swapaxes(0, 1)
        for plane in range(slot.planes):
            first = slot.first_bit + plane * slot.plane_bits
            bits[:, :, first : first + flat.shape[2]] = flat >> plane & 1
    return bits


def record_of(
    image: Image, read: Mapping[str, Sequence[np.ndarray]], source: str, stats: Mapping[str, float]
) -> spikes.SpikeRecord:
    """What was read of the probed populations, as a record.

    Args:
        read: by population, for each part of its readout, uint8 (T, B, bytes): its bitmap, the lowest bit first, or its
            values, four bytes each, the lowest first. More bytes than it takes may follow a bitmap.
    """
    made: dict[str, dict[str, np.ndarray]] = {"spikes": {}, "membrane": {}}
    scale = {}
    for readout in image.readouts:
        if readout.population not in read:
            continue
        values = readout.values(read[readout.population])
        if readout.late:
            values = np.concatenate([np.zeros_like(values[: readout.late]), values[: -readout.late]])
        made[readout.kind][readout.population] = values
        if readout.kind == "membrane":
            scale[readout.population] = np.array(readout.scale).reshape(readout.shape)
    return spikes.SpikeRecord(
        spikes=made["spikes"],
        membrane=made["membrane"],
        scale=scale,
        source=source,
        dt=image.dt,
        outputs=dict(image.outputs),
        manifest=image.manifest(),
        stats=stats,
    )
