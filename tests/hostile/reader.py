"""A process that reads one file after the other as :mod:`nirdeploy.records.hdf5child` does, under its limits.

``python reader.py HDF5CHILD SECONDS`` takes from stdin, a line each, a ratio, an attribute and a path, tabs between.
For each it writes a header (status, lengths, largest memory so far in KiB, as text in 64 bytes), the npz and what the
child would say on stderr.
"""

from __future__ import annotations

import importlib.util
import io
import os
import resource
import sys


def main(source: str, seconds: int) -> None:
    spec = importlib.util.spec_from_file_location("hdf5child", source)
    assert spec is not None
    assert spec.loader is not None
    hdf5child = importlib.util.module_from_spec(spec)
    sys.modules["hdf5child"] = hdf5child
    spec.loader.exec_module(hdf5child)
    for line in sys.stdin.buffer:
        ratio, attribute, path = os.fsdecode(line.rstrip(b"\n")).split("\t", 2)
        out, say = io.BytesIO(), io.StringIO()
        hdf5child.limit(seconds)
        status = hdf5child.answer(path, int(ratio), attribute, out, say)
        said = say.getvalue().encode(errors="replace")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        header = f"{status} {out.tell()} {len(said)} {peak}".ljust(64).encode()
        sys.stdout.buffer.write(header + out.getvalue() + said)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
