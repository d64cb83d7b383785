"""flash: an image into a device, checked by the device, resumable at any byte."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from nirdeploy.device.client import Device, Progress
from nirdeploy.device.counting import Counting
from nirdeploy.device.frame import OVERHEAD
from nirdeploy.device.protocol import Status
from nirdeploy.errors import DeviceMismatch, DoesNotFit, TransferError
from nirdeploy.targets.image import Image
from nirdeploy.targets.sending import changed
from nirdeploy.targets.slots import Section

_ROUNDS = 3  # a section that differs after writing is written again this often
_HASH_BYTES, _SECTION_BYTES = 32, 12  # of a COMMIT: the image's hash, then an entry per section


class HasImage(Protocol):
    """A build: anything with an image."""

    @property
    def image(self) -> Image: ...


@dataclass(frozen=True)
class FlashReport:
    """What a flash did. ``device_cycles``: the device's own clock, from the first question to the commit."""

    image: str
    already_there: bool
    bytes_sent: int
    bytes_skipped: int
    retransmitted: int
    seconds: float
    device_cycles: int

    def line_fraction(self, clock_hz: int, baud: int) -> float:
        """Payload bits as a fraction of what the line carries in the device's own time (8N1)."""
        return self.bytes_sent * 10 * clock_hz / (baud * self.device_cycles) if self.device_cycles else 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def flash(
    built: Image | HasImage, device: Device, progress: Progress | None = None, *, force: bool = False
) -> FlashReport:
    """Write an image; of several passes, the first.

    A device that says it holds the image is asked for the digests of its memories. Sections that it holds already are
    not sent again; where it holds an image that was written through ``device``, words are not.

    Args:
        built: an image, or a build.
        progress: called with (bytes done, bytes in all).
        force: write every section even if the device holds it.

    Raises:
        DeviceMismatch: the image is for other hardware.
        DoesNotFit: more sections than one COMMIT holds.
        TransferError: the device read back something else than was written, refused, or counts what cannot be.
        DeviceSilent: the device stopped answering. The next flash recovers it.
    """
    image = built if isinstance(built, Image) else built.image
    if image.passes:
        report = flash(image.passes[0], device, progress, force=force)
        device.image = image
        return replace(report, image=image.digest())
    hello = device.hello()
    if hello.signature.hex() != image.signature:
        raise DeviceMismatch(
            f"the image is for hardware {image.signature}, the device is {hello.signature.hex()}",
            where=f"port {device.name}" if device.name else "",
            hint="build the network for the target whose bitstream is loaded",
        )
    most = (device.max_body - OVERHEAD - _HASH_BYTES) // _SECTION_BYTES
    if len(image.sections) > most:
        raise DoesNotFit(
            f"the image has {len(image.sections)} sections, this device commits at most {most} at once",
            hint="choose a target with fewer cores",
        )
    start, counting, resent = time.monotonic(), Counting(device), device.retransmitted
    there = hello.image_hash == image.digest_bytes and not force and not _differing(list(image.sections), device)
    sent = 0
    if not there:
        known = device.committed if device.committed and hello.image_hash == device.committed.digest_bytes else None
        sent = _write_image(image, device, progress, None if force else known, force)
    elif progress:
        progress(image.total_bytes, image.total_bytes)
    device.image = device.committed = image
    return FlashReport(
        image=image.digest(),
        already_there=there,
        bytes_sent=sent,
        bytes_skipped=image.total_bytes - min(sent, image.total_bytes),
        retransmitted=device.retransmitted - resent,
        seconds=time.monotonic() - start,
        device_cycles=counting.gone(device.status()),
    )


def _write_image(image: Image, device: Device, progress: Progress | None, known: Image | None, force: bool) -> int:
    """``known``: the image that the device holds, and has checked, if it was written through ``device``."""
    sent = 0
    pending = list(image.sections)
    for attempt in range(_ROUNDS):
        if known is not None:
            pending, known = list(changed(pending, known.sections)), None
        elif not force or attempt:
            pending = _differing(pending, device)
        done = image.total_bytes - sum(len(section.data) for section in pending)

        def count(size: int) -> None:
            nonlocal sent, done
            sent, done = sent + size, done + size
            if progress:
                progress(done, image.total_bytes)

        device.write(blocks(pending, device.max_body), count)
        status, index = device.commit(image)
        if status is Status.OK:
            return sent
        if status is not Status.DIGEST_MISMATCH or index >= len(image.sections):
            break
        pending = list(image.sections)
    culprit = image.sections[index].name if index < len(image.sections) else "the image"
    raise TransferError(
        f"the device did not accept the image: {status.name.lower().replace('_', ' ')} in {culprit}",
        where=f"port {device.name}" if device.name else "",
        hint="the device's memory may be faulty; flash again, then check the board",
    )


def _differing(sections: list[Section], device: Device) -> list[Section]:
    found = device.digests((s.address, len(s.words)) for s in sections)
    return [section for section, crc in zip(sections, found, strict=True) if crc != section.crc32]


def blocks(sections: list[Section], max_body: int) -> Iterator[tuple[int, bytes]]:
    """(address, data) blocks as large as a frame takes, in whole words."""
    size = (max_body - OVERHEAD - 4) // 4 * 4
    for section in sections:
        for offset in range(0, len(section.data), size):
            yield section.address + offset // 4, section.data[offset : offset + size]
