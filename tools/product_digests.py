"""Digests of everything that nirdeploy makes of a corpus of networks on every target: what changed, and where.

    python tools/product_digests.py record -o digests.json
    python tools/product_digests.py compare digests.json [--allow FILE]

``record`` before a change that must change no behaviour, ``compare`` after it: lists each NETWORK/TARGET/PRODUCT whose
content differs and exits with 1, with 0 if there is none. What a change means to change stands in the ``--allow`` file,
one pattern (as a shell's, ``*`` over slashes too) and the reason in a line. The target ``-`` is none.

A product's content is what its file says, not how classes and modules of it are called; digests of other products
inside it are left out, so that one difference is one line.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import hashlib
import io
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import nirdeploy as nd
from nirdeploy.backends.fpga.simulated.rtl import Fabric
from nirdeploy.cli import main as command_line
from nirdeploy.errors import NirdeployError

# Whatever of nirdeploy is not its public interface stands in these lines and in the corpus.
from nirdeploy.graph import file as nirfile
from nirdeploy.targets import registry as target_files
from nirdeploy.targets.image import MAGIC
from tools.digest_corpus import Case, cases

Products = dict[str, bytes]
Digests = dict[str, str]

NO_TARGET = "-"
BOARD = "fpga"  # whose hardware is simulated
_CLOCKS = {"cycles", "restarts"}  # of a device: how long the host let it run
_SHA256 = re.compile(rb"[0-9a-f]{64}")
_LINE = re.compile(rb"\w+\.py:\d+")  # where a bug is, as its error says


# --- contents ---------------------------------------------------------------------------


def of_json(value: Any) -> bytes:
    """Sorted by keys; NumPy's numbers and arrays as Python's."""
    return json.dumps(value, sort_keys=True, default=lambda found: found.tolist()).encode()


def of_arrays(arrays: Mapping[str, Any]) -> bytes:
    """Names, types, shapes and values, little-endian."""
    parts = []
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        parts += [of_json([name, array.dtype.str, list(array.shape)]), array.tobytes()]
    return b"\n".join(parts)


def of_fields(meta: Mapping[str, Any]) -> Products:
    """A product for each key, and for each key of the rows of a table, so that a new one is one difference."""
    found: Products = {}
    for key, value in meta.items():
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            names = {name for row in value for name in row}
            found |= {f"{key}.{name}": of_json([row.get(name) for row in value]) for name in names}
        else:
            found[key] = of_json(value)
    return found


def of_saved(path: Path) -> Products:
    """A saved stage: fields, and all arrays together."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    meta = json.loads(arrays.pop("__meta__").tobytes())
    return {**under("meta", of_fields(meta)), **({"arrays": of_arrays(arrays)} if arrays else {})}


def of_image(blob: bytes) -> Products:
    """Fields of the header, and each section's words."""
    start = len(MAGIC) + 4
    end = start + int.from_bytes(blob[len(MAGIC) : start], "little")
    header = json.loads(blob[start:end])
    found: Products = {}
    for section in header["sections"]:
        words = 4 * section["words"]
        found[f"words/{section['name']}"] = blob[end : end + words]
        end += words
        del section["sha256"]  # of the words, with digests of other products among them
    return {**under("meta", of_fields(header)), **found}


def of_record(record: Any, *, clocks: bool = True) -> Products:
    """A SpikeRecord. ``clocks``: with how many cycles it took."""
    stats = {name: value for name, value in record.stats.items() if clocks or name not in _CLOCKS}
    meta = {name: getattr(record, name) for name in ("source", "dt", "outputs", "manifest", "latency")}
    meta = {name: dict(value) if isinstance(value, Mapping) else value for name, value in meta.items()}
    arrays = {name: of_arrays(getattr(record, name)) for name in ("spikes", "membrane", "scale")}
    return {**arrays, **under("stats", of_fields(stats)), **under("meta", of_fields(meta))}


def of_nir(graph: Any) -> bytes:
    """Nodes in their order, parameters, edges and metadata."""
    nodes = [[name, type(node).__name__, sorted(vars(node))] for name, node in graph.nodes.items()]
    values = {f"{name}.{key}": value for name, node in graph.nodes.items() for key, value in vars(node).items()}
    arrays = {key: value for key, value in values.items() if isinstance(value, np.ndarray)}
    others = {key: value for key, value in values.items() if key not in arrays}
    return of_json([nodes, [list(edge) for edge in graph.edges], graph.metadata, others]) + of_arrays(arrays)


def of_refusal(error: NirdeployError) -> Products:
    """What an error says, its sentences sorted."""
    said = {"code": error.code, "where": error.where, "hint": error.hint}
    return {**under("refusal", of_fields(said)), "refusal/problems": of_json(sorted(error.message.split("; ")))}


def under(name: str, products: Products) -> Products:
    return {f"{name}/{key}": content for key, content in products.items()}


def tried(make: Callable[[], Products]) -> Products:
    """The products, or the refusal."""
    try:
        return make()
    except NirdeployError as error:
        return of_refusal(error)


def command(*arguments: object) -> bytes:
    """What a command says, on both streams, and its exit code; one that speaks JSON with its keys sorted."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            command_line([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
    said = out.getvalue()
    return of_json([code, json.loads(said) if said.startswith("{") else said, err.getvalue()])


# --- what is made of a network ------------------------------------------------------------


def without_target(case: Case, folder: Path) -> Products:
    """The network itself, its normal form from memory and from a file, what it does in floats, and as a module."""
    graph = nd.check(case.graph, dialect=case.dialect, input_bits=case.input_bits)
    graph.save(folder / "graph.npz")
    nirfile.write(folder / "model.nir", case.graph)
    given = case.x if isinstance(case.x, dict) else {"": case.x}
    names = [population.name for population in graph.populations if population.model != "Input"]
    found = {"model": of_nir(case.graph), "stimulus": of_arrays(given)}
    found |= under("graph", of_saved(folder / "graph.npz"))
    found["check"] = command("check", folder / "model.nir", *_dialect(case), "--json")
    found |= under("record/float", tried(lambda: of_record(nd.simulate(graph, case.x, membrane=names))))
    found |= under("exchange", tried(lambda: _exchanged(case)))
    return _masked(found, {graph.digest(): "graph"}, folder)


def _dialect(case: Case) -> list[str]:
    return ["--dialect", case.dialect] if case.dialect else []


def estimates(case: Case, model: Path, targets: Mapping[str, str]) -> Products:
    """What each target would need, TARGET/estimate, in one call: the reader starts a process of its own."""
    options = [*_dialect(case), *(part for target in targets.values() for part in ("-t", target))]
    said = command("estimate", model, *options, "--input-bits", case.input_bits, "--json")
    _, found, _ = json.loads(said)
    rows = {row["target"]: of_json(row) for row in found.get("targets", ())}
    return _masked({f"{name}/estimate": rows.get(name, said) for name in targets}, {}, model.parent)


def _exchanged(case: Case) -> Products:
    """As a PyTorch module, and that as NIR again."""
    module = nd.import_from_nir(case.graph, dialect=case.dialect)
    example: Any = {name: x[0] for name, x in case.x.items()} if isinstance(case.x, dict) else case.x[0]
    return {"exported": of_nir(nd.export_to_nir(module, example))}


def on_target(case: Case, target: str, folder: Path) -> Products:
    """The build's products, what the integers do, the reports; the simulated hardware where the case asks for it."""
    try:
        built = nd.build(case.graph, target, folder / "build", dialect=case.dialect, input_bits=case.input_bits)
    except NirdeployError as error:
        return _masked(of_refusal(error), {}, folder)
    found = _build(folder / "build")
    names = [population.name for population in built.network.populations]
    found |= under("record/integer", tried(lambda: of_record(nd.simulate(built, case.x, membrane=names))))
    found |= _reports(case, folder)
    if case.board and built.target.name == BOARD:
        found |= under("record/rtl", tried(lambda: _rtl(built, case)))
        found |= under("record/device", tried(lambda: _device(built, case)))
    digests = {digest: name for name, digest in built.manifest()["digests"].items()}
    return _masked(found, digests, folder)


def _build(folder: Path) -> Products:
    """Everything in a build's folder."""
    found: Products = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, stem = path.relative_to(folder).as_posix(), path.stem
        if name == "manifest.json":
            manifest = json.loads(path.read_bytes())
            del manifest["versions"]
            manifest.pop("checksum", None)  # of the versions too
            found |= under("manifest", of_fields(manifest))
        elif path.suffix == ".npz":
            found |= under(stem, of_saved(path))
        elif path.suffix == ".ndi":
            found |= under(stem, of_image(path.read_bytes()))
        else:
            found[name] = path.read_bytes()
    return found


def _reports(case: Case, folder: Path) -> Products:
    """All that verifying the build against its integers says."""
    given = case.x if isinstance(case.x, dict) else {"x": case.x}
    np.savez(folder / "x.npz", **given)
    page, junit = folder / "report.html", folder / "report.xml"
    options = ("-x", folder / "x.npz", "-p", "sim", "--html", page, "--junit", junit, "--json")
    found = {"report/json": command("verify", folder / "build", *options)}
    if page.exists():
        text = re.sub(r"&#34;versions&#34;: \{[^}]*\}", "", page.read_text(encoding="utf-8"))
        found |= {"report/html": text.encode(), "report/junit": junit.read_bytes()}
    return found


def _rtl(built: Any, case: Case) -> Products:
    """The hardware's Verilog, with the cycle at which each step was done."""
    with Fabric(built.target) as fabric:
        fabric.load(built.image)
        record = fabric.run(built.image, case.x)
        return {**of_record(record), "step_done": of_arrays({"": fabric.timing.step_done})}


def _device(built: Any, case: Case) -> Products:
    """The virtual board behind its port."""
    with nd.open_device("virtual", built.target) as device:
        nd.flash(built, device)
        return of_record(nd.run(device, case.x), clocks=False)


def _masked(products: Products, digests: Mapping[str, str], folder: Path) -> Products:
    """Without what other products hash to, and without where they lay."""
    known = {digest.encode(): f"<{name}>".encode() for digest, name in digests.items()}

    def clean(content: bytes) -> bytes:
        content = _LINE.sub(b"<line>", content.replace(str(folder).encode(), b"<folder>"))
        return _SHA256.sub(lambda match: known.get(match[0], match[0]), content)

    return {key: clean(content) for key, content in products.items()}


# --- record and compare ---------------------------------------------------------------------


def chosen_targets(asked: Sequence[str]) -> dict[str, str]:
    """Names, and how each is loaded: of patterns of names, or of paths of target files."""
    paths = {Path(one).stem: one for one in asked if one.endswith(".toml")}
    patterns = [one for one in asked if not one.endswith(".toml")] or ([] if paths else ["*"])
    names = [n for n in target_files.names() if any(fnmatch.fnmatchcase(n, pattern) for pattern in patterns)]
    return {**{name: name for name in names}, **paths}


def products(networks: str = "*", targets: Sequence[str] = ()) -> Iterator[tuple[str, bytes]]:
    """NETWORK/TARGET/PRODUCT and content, of all networks of that pattern."""
    for case in cases():
        if not fnmatch.fnmatchcase(case.name, networks):
            continue
        print(case.name, "...", file=sys.stderr, flush=True)
        chosen = chosen_targets(targets)
        with tempfile.TemporaryDirectory() as folder:
            yield from under(f"{case.name}/{NO_TARGET}", without_target(case, Path(folder))).items()
            yield from under(case.name, estimates(case, Path(folder) / "model.nir", chosen)).items()
        for name, target in chosen.items():
            with tempfile.TemporaryDirectory() as folder:
                yield from under(f"{case.name}/{name}", on_target(case, target, Path(folder))).items()


def record(networks: str = "*", targets: Sequence[str] = (), keep: Path | None = None) -> Digests:
    """Digests by NETWORK/TARGET/PRODUCT. ``keep``: a folder for the contents, to look at what differs."""
    digests: Digests = {}
    for key, content in products(networks, targets):
        digests[key] = hashlib.sha256(content).hexdigest()[:32]
        if keep is not None:
            path = keep / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return digests


def differences(before: Digests, now: Digests) -> dict[str, str]:
    """What differs, and how."""
    found = {}
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            found[key] = "gone" if key not in now else "new" if key not in before else "changed"
    return found


def allowed(path: Path | None) -> dict[str, str]:
    """Patterns and reasons. Raises ValueError on a line that gives none."""
    rows = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path else (), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            pattern, *reason = line.split(maxsplit=1)
            if not reason:
                raise ValueError(f"{path}, line {number}: {pattern} is allowed without a reason; write it behind")
            rows[pattern] = reason[0]
    return rows


def report(found: Mapping[str, str], allow: Mapping[str, str], compared: int) -> int:
    """List what differs and is not allowed; the exit code."""
    excused = {key: [pattern for pattern in allow if fnmatch.fnmatchcase(key, pattern)] for key in found}
    listed = [key for key, patterns in excused.items() if not patterns]
    for key in listed:
        network, target, product = key.split("/", 2)
        print(f"{network} / {target} / {product}: {found[key]}")
    for pattern, reason in allow.items():
        print(f"allowed: {sum(pattern in held for held in excused.values()):,} of {pattern}: {reason}")
    may = f"; {len(found) - len(listed):,} more do, as allowed" if allow else ""
    print(f"{len(listed):,} of {compared:,} products differ{may}")
    return 1 if listed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="record the digests of all products")
    recording.add_argument("-o", "--out", type=Path, required=True)
    comparing = commands.add_parser("compare", help="record again, and compare with an earlier record")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("now", type=Path, nargs="?", help="a record made meanwhile, instead of a fresh one")
    comparing.add_argument("--allow", type=Path, help="a file of 'PATTERN REASON' lines: what may differ")
    for one in (recording, comparing):
        one.add_argument("--network", default="*", help="only networks of this pattern")
        one.add_argument(
            "--target", action="append", default=[], help="a pattern of names, or a .toml file; repeatable"
        )
        one.add_argument("--keep", type=Path, help="a folder to keep the contents in")
    asked = parser.parse_args(arguments)
    if asked.command == "record":
        digests = record(asked.network, asked.target, asked.keep)
        asked.out.write_text(json.dumps(digests, indent=0, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{len(digests):,} products recorded")
        return 0
    try:
        allow = allowed(asked.allow)
    except ValueError as error:
        parser.error(str(error))
    before: Digests = json.loads(asked.before.read_text(encoding="utf-8"))
    if asked.now is None:
        now = record(asked.network, asked.target, asked.keep)
    else:
        now = json.loads(asked.now.read_text(encoding="utf-8"))
    before, now = (_only(digests, asked.network, asked.target) for digests in (before, now))
    return report(differences(before, now), allow, len({*before, *now}))


def _only(digests: Digests, network: str, targets: Sequence[str]) -> Digests:
    """Of the networks and targets asked for; all that there are where none is."""
    names = {NO_TARGET, *chosen_targets(targets)}
    parts = {key: key.split("/", 2) for key in digests}
    return {
        key: digest
        for key, digest in digests.items()
        if fnmatch.fnmatchcase(parts[key][0], network) and (not targets or parts[key][1] in names)
    }


if __name__ == "__main__":
    sys.exit(main())
