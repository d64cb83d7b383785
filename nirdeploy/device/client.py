"""device: requests and replies with whatever answers on a port."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

from nirdeploy.device.cutting import Reading, Writing
from nirdeploy.device.frame import MAX_BODY, Frame, encoded_size
from nirdeploy.device.ports import Port
from nirdeploy.device.protocol import PLAYING, PLAYS, STOP, DeviceStatus, Hello, Kind, Status
from nirdeploy.device.talk import Talk
from nirdeploy.errors import TransferError
from nirdeploy.targets.image import Image

Progress = Callable[[int, int], None]  # called with how many are done, of how many
Said = TypeVar("Said", Hello, DeviceStatus)

_LEAST_BODY = 64  # bytes of a frame: no hardware takes fewer
_LIKELY = 0.6  # chance that a long request comes through: else others are made of it
WORDS_PER_SECOND = 200_000  # a slow simulated device checking its memories


class Device(Talk):
    """The request layer. Opening says HELLO; use as a context manager.

    Args:
        port: the open line.
        on_close: called when it has been closed.
        options: of :class:`~nirdeploy.device.talk.Talk`.

    Raises:
        DeviceSilent: nobody answers.
    """

    def __init__(self, port: Port, *, on_close: Callable[[], None] | None = None, **options: Any) -> None:
        super().__init__(port, **options)
        self.image: Image | None = None
        self.committed: Image | None = None  # the last that was written through here, and checked by the device
        self._on_close, self.closed = on_close, False
        self._port.write(b"\x00")
        hello = self.hello()
        if not (_LEAST_BODY <= hello.max_body <= MAX_BODY and hello.window >= encoded_size(_LEAST_BODY)):
            raise TransferError(
                f"the device says that it takes frames of {hello.max_body} bytes, {hello.window} at once",
                where=self.where,
                hint="use the nirdeploy that the device's bitstream came with",
            )
        self._window, self.max_body = hello.window, hello.max_body
        self.counters, self.held_words = hello.counters, hello.held_words
        self.plays = hello.protocol == PLAYS
        if hello.state == PLAYING:  # for a host that has gone; it would refuse all else
            self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the port; stops a virtual board that was started for it."""
        self.closed = True
        self._port.close()
        if self._on_close:
            self._on_close()
            self._on_close = None

    # --- requests -----------------------------------------------------------------------

    def hello(self) -> Hello:
        return self._parsed(Hello.parse, self.request(Kind.HELLO))

    def status(self, *, patience: float = 0.0, aside: Callable[[Frame], None] | None = None) -> DeviceStatus:
        """``patience``, ``aside``: as of :meth:`request`."""
        return self._parsed(DeviceStatus.parse, self.request(Kind.STATUS, patience=patience, aside=aside))

    def _parsed(self, parse: Callable[[bytes], Said], reply: bytes) -> Said:
        """A reply; an error names the port."""
        try:
            return parse(reply)
        except TransferError as error:
            error.where = self.where
            raise

    def write(self, blocks: Iterable[tuple[int, bytes]], sent: Callable[[int], None] | None = None) -> None:
        """Write (address, data) blocks, several in flight. Raises :class:`TransferError` if one is refused."""
        for address, payload, reply in self.exchange(Writing(blocks)):
            self._check(reply, f"writing at {address:#x}")
            if sent:
                sent(len(payload) - 4)

    def digests(self, ranges: Iterable[tuple[int, int]]) -> list[int | None]:
        """CRC-32 of each (address, words) as the device reads it back; None where it refuses."""
        listed = list(ranges)
        requests = [(Kind.DIGEST, a.to_bytes(4, "little") + n.to_bytes(4, "little")) for a, n in listed]
        found: list[int | None] = [None] * len(listed)
        patience = sum(n for _, n in listed) / WORDS_PER_SECOND
        for index, reply in self.pipeline(requests, patience=patience):
            if reply and reply[0] == Status.OK:
                found[index] = int.from_bytes(reply[1:5], "little")
        return found

    def commit(self, image: Image) -> tuple[Status, int]:
        """Let the device check every section; status and the index of the first that differs.

        On a line that would not carry all of their digests at once, they are asked for one by one, and compared here.
        """
        entries = [
            s.address.to_bytes(4, "little") + len(s.words).to_bytes(4, "little") + s.crc32.to_bytes(4, "little")
            for s in image.sections
        ]
        payload = image.digest_bytes + b"".join(entries)
        if self.quality.survives(len(payload)) < _LIKELY:
            found = self.digests((s.address, len(s.words)) for s in image.sections)
            for index, (section, crc) in enumerate(zip(image.sections, found, strict=True)):
                if crc != section.crc32:
                    return Status.DIGEST_MISMATCH, index
            payload = image.digest_bytes
        reply = self.request(Kind.COMMIT, payload, patience=image.total_bytes / 4 / WORDS_PER_SECOND)
        if len(reply) != 2 or reply[0] not in Status._value2member_map_:
            raise TransferError(
                f"the device answered COMMIT with {reply.hex() or 'nothing'}, not status and index",
                where=self.where,
                hint="flash again; if it stays so, load the board's bitstream again",
            )
        return Status(reply[0]), reply[1]

    def begin(self, probes: Iterable[tuple[int, int, int, int]]) -> int:
        """Start a run with probes (group, kind, address, bytes); the sequence number of the first STEPS."""
        table = b"".join(
            bytes([group, kind]) + address.to_bytes(2, "little") + size.to_bytes(2, "little")
            for group, kind, address, size in probes
        )
        self._check(self.request(Kind.BEGIN, table), "starting a run")
        return self._seq

    def play(self, at: int) -> None:
        """Have the program at a word address of external memory played; :meth:`status` says how far it is.

        Where the answer is lost it is asked for again: the device is busy with it then, or plays it once more.
        """
        reply = self.request(Kind.PLAY, at.to_bytes(4, "little"))
        if reply != bytes([Status.BUSY]):
            self._check(reply, "playing from external memory")

    def stop(self) -> None:
        """End what is played from external memory, if anything is."""
        self._check(self.request(Kind.PLAY, STOP.to_bytes(4, "little")), "stopping a play")

    def read(self, ranges: Iterable[tuple[int, int]]) -> list[bytes]:
        """The words of external memory in each (address, words), as little-endian bytes; any number of words."""
        wanted = list(ranges)
        found: list[dict[int, bytes]] = [{} for _ in wanted]
        for number, payload, reply in self.exchange(Reading(wanted)):
            self._check(reply, "reading external memory")
            size = 4 * int.from_bytes(payload[4:], "little")
            if len(reply) != 1 + size:
                raise TransferError(
                    f"the device answered a READ of {size} bytes with {len(reply) - 1}",
                    where=self.where,
                    hint="use the nirdeploy that the device's bitstream came with",
                )
            found[number][int.from_bytes(payload[:4], "little")] = reply[1:]
        return [b"".join(data for _, data in sorted(pieces.items())) for pieces in found]

    def _check(self, reply: bytes, doing: str) -> None:
        status = Status(reply[0]) if reply and reply[0] in Status._value2member_map_ else None
        if status is Status.NO_IMAGE:
            raise TransferError(f"{doing}: the device holds no valid image", where=self.where, hint="flash one first")
        if status is not Status.OK:
            unknown = f"unknown status {reply[:1].hex()}" if reply else "an answer without a status"
            name = status.name.lower().replace("_", " ") if status is not None else unknown
            raise TransferError(
                f"the device refused {doing}: {name}",
                where=self.where,
                hint="flash again; if it stays so, load the board's bitstream again",
            )
