"""What is named is looked at before it is read: a file, and of a size that can be."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nirdeploy.errors import CorruptFile, NirdeployError, ToolMissing, UsageProblem
from nirdeploy.records import files, store

HUGE = 20 << 30


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """A file that takes no place on the disk."""
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(HUGE)
    return tmp_path / "sparse"


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def bomb(path: Path, gigabytes: float) -> None:
    """An archive of zeros."""
    part = bytes(1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as file:
        for _ in range(int(gigabytes * 1024)):
            file.write(part)


def test_what_a_file_holds(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.content(tmp_path / "a") == b"abc"
    assert files.content(tmp_path / "a", 3, b"ab") == b"abc"
    assert files.content(tmp_path / "a", 2, b"x") == b"a"
    with pytest.raises(CorruptFile, match="the file has 3 bytes and is larger than such a file may be"):
        files.content(tmp_path / "a", 2)
    with pytest.raises(FileNotFoundError):
        files.content(tmp_path / "b")


def test_no_file_is_read_as_one(tmp_path: Path, pipe: Path) -> None:
    for path, kind in ((pipe, "a pipe"), (tmp_path, "a folder"), (Path(os.devnull), "a device")):
        for read in (files.content, files.check, store.load):
            with pytest.raises(CorruptFile, match=f"this is {kind}, not a file"):
                read(path)
        assert files.absent(path, "build folder").message == f"this is {kind}, not a build folder"
    said = files.absent(tmp_path / "pip")
    assert isinstance(said, UsageProblem)
    assert said.message == "there is no such file"
    assert "did you mean" not in str(files.absent(pipe))


def test_more_than_there_is_memory_for_is_not_read(sparse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "available", lambda: 1 << 30)
    with pytest.raises(ToolMissing, match="takes 21,474,836,480 bytes, 1,073,741,824 are free"):
        files.content(sparse)
    assert files.content(sparse, begins=b"NIRD") == bytes(4)
    with pytest.raises(CorruptFile, match="damaged or not one of nirdeploy's"):
        store.load(sparse)
    with pytest.raises(CorruptFile, match="damaged or not one of nirdeploy's"):
        files.check(sparse, archive=True)
    with pytest.raises(ToolMissing, match="takes 21,474,836,480 bytes"):
        files.check(sparse)


def test_an_archive_is_what_it_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb(tmp_path / "x.npz", 0.25)
    monkeypatch.setattr(files, "available", lambda: 100 << 20)
    blob = (tmp_path / "x.npz").read_bytes()
    for read in (lambda: files.check(tmp_path / "x.npz"), lambda: store.load(tmp_path / "x.npz")):
        with pytest.raises(ToolMissing, match="takes 268,435,456 bytes, 104,857,600 are free"):
            read()
    with pytest.raises(ToolMissing, match="there is not memory enough"):
        store.unpack(blob, where="it")
    monkeypatch.setattr(files, "available", lambda: None)
    files.check(tmp_path / "x.npz")
    size = (256 << 20).to_bytes(4, "little")
    assert blob.count(size) >= 1  # in its directory
    (tmp_path / "x.npz").write_bytes(blob.replace(size, (3 << 30).to_bytes(4, "little")))
    with pytest.raises(CorruptFile, match="claims to unpack from .* bytes to 3,221,225,472"):
        files.check(tmp_path / "x.npz")


def test_real_archives_pass(tmp_path: Path) -> None:
    arrays = {"zeros": np.zeros((1000, 1000)), "some": np.arange(1000), "none": np.zeros(0)}
    (tmp_path / "a").write_bytes(store.pack({"a": 1}, arrays))
    files.check(tmp_path / "a")
    meta, found = store.load(tmp_path / "a")
    assert meta == store.unpack((tmp_path / "a").read_bytes(), where="a")[0] == {"a": 1}
    assert all((found[name] == values).all() for name, values in arrays.items())


def test_memory_that_is_not_enough_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MemoryError

    (tmp_path / "a").write_bytes(store.pack({}, {"a": np.arange(3)}))
    monkeypatch.setattr(np, "load", fails)
    with pytest.raises(ToolMissing, match="there is not memory enough to read this: it takes [0-9]+ bytes"):
        store.load(tmp_path / "a")


def test_what_is_available() -> None:
    found = files.available()
    assert found is None or found > 1 << 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a = " + b"1" * 5000, "a number in it has thousands of digits"),
        (b"a = " + b"[" * 3000, "brackets in it are nested hundreds deep"),
        (b"a = ", "Invalid value"),
        (b"a = '\xff'", "can't decode"),
    ],
)
def test_toml_that_is_none(text: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(text)
    with pytest.raises(ValueError, match=said):
        files.toml(tmp_path / "a.toml")


def test_toml(tmp_path: Path, sparse: Path) -> None:
    (tmp_path / "a.toml").write_text("a = 1\r\n[b]\r\nc = 'ä'\r\n", encoding="utf-8", newline="")
    assert files.toml(tmp_path / "a.toml") == {"a": 1, "b": {"c": "ä"}}
    with pytest.raises(CorruptFile, match="larger than such a file may be .1,048,576."):
        files.toml(sparse)


def test_an_archive_of_garbage(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"PK\x03\x04" + bytes(100))
    files.check(tmp_path / "a")  # whoever reads it says so
    with pytest.raises(NirdeployError, match="damaged"):
        store.load(tmp_path / "a")
    with pytest.raises(NirdeployError, match="damaged"):
        store.unpack(io.BytesIO(b"PK\x03\x04").getvalue(), where="a")


@pytest.mark.parametrize(("at", "byte"), [(6, 173), (-22 + 13, 255)])
def test_a_damaged_directory_is_damage_whatever_zipfile_calls_it(at: int, byte: int, tmp_path: Path) -> None:
    """A version that it does not know, a place before the file: errors of their own."""
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(9))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + at if at > 0 else at] = byte
    path.write_bytes(data)
    with pytest.raises(CorruptFile, match="damaged"):
        files.check(path, archive=True)


def test_a_mark_in_front_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert files.toml(tmp_path / "a.toml") == {"a": 1}
