"""A chip added from outside: a target file, and a plug-in of its own, without touching the package.

The chip is in ``fictitious_chip``; ``docs/adding-a-target.md`` explains it. What the document quotes is held to the
files, and the commands it gives are the ones that run here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy import pipeline
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph import file as nirfile
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.sim import integer
from nirdeploy.targets import registry
from nirdeploy.targets.backend import Backend
from nirdeploy.targets.resources import targets_dir, templates_dir
from tests.conftest import examples
from tests.contract.fictitious_chip import networks
from tests.contract.fictitious_chip.maker import mychip_driver
from tests.unit.cli import conftest as terminal

cli = terminal.cli

ROOT = Path(__file__).resolve().parents[2]
CHIP = Path(__file__).with_name("fictitious_chip")
DOCUMENT = (ROOT / "docs" / "adding-a-target.md").read_text()

# --- the document ---------------------------------------------------------------------

FENCED = [
    (match["kind"], match["name"], textwrap.dedent(match["text"]))
    for match in re.finditer(
        r'^ *```(?P<kind>\w+)(?: title="(?P<name>\S+)")?\n(?P<text>.*?)^ *```$', DOCUMENT, re.M | re.S
    )
]
QUOTED = [(name, text) for kind, name, text in FENCED if kind not in ("bash", "text")]
(COMMANDS,) = (text.splitlines() for kind, _, text in FENCED if kind == "bash")
(REFUSED,) = (text for kind, _, text in FENCED if kind == "text")


@pytest.mark.parametrize(("name", "text"), QUOTED, ids=[f"{name}-{i}" for i, (name, _) in enumerate(QUOTED)])
def test_the_document_quotes_the_files(name: str, text: str) -> None:
    lines, quoted = (CHIP / name).read_text().splitlines(), text.splitlines()
    indents = {line[: len(line) - len(line.lstrip())] for line in lines if line.strip() == quoted[0].strip()}
    assert any(_contains(lines, [indent + line if line else "" for line in quoted]) for indent in indents)


def _contains(lines: list[str], part: list[str]) -> bool:
    return any(lines[i : i + len(part)] == part for i in range(len(lines)))


def test_the_document_quotes_every_kind_of_file() -> None:
    assert {name for name, _ in QUOTED} == {
        *("pyproject.toml", "mychip.toml", "mychip.py"),
        *("templates/configuration.json.j2", "maker/mychip_driver.py"),
    }


def test_the_document_lists_every_hook() -> None:
    table = DOCUMENT.partition("## The backend")[2].partition("###")[0]
    listed = re.findall(r"^\| `(\w+)` \|", table, re.M)
    assert sorted(listed) == sorted({*(name for name in vars(Backend) if name[0] != "_"), "Hardware"})


# --- the chip, installed ----------------------------------------------------------------


@dataclass(frozen=True)
class Bench:
    """A folder with mychip/, net.nir, illegal.nir and x.npy; where packages are installed; a copy of nirdeploy."""

    folder: Path
    site: Path
    house: Path

    @property
    def target(self) -> Path:
        return self.folder / "mychip" / "mychip.toml"

    def run(self, *command: object, paths: tuple[Path, ...] | None = None) -> subprocess.CompletedProcess[str]:
        """In a process of its own, which finds the installed packages."""
        found = (self.site, CHIP / "maker") if paths is None else paths
        path = os.pathsep.join([*map(str, (*found, self.house)), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    def nirdeploy(self, *arguments: object, paths: tuple[Path, ...] | None = None) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "nirdeploy", *arguments, paths=paths)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder, site, house = (tmp_path_factory.mktemp(name) for name in ("bench", "site", "house"))
    for part in (Path(nd.__file__).parent, targets_dir(), templates_dir()):
        shutil.copytree(part, house / part.name, ignore=shutil.ignore_patterns("__pycache__", "_data"))
    shutil.copytree(CHIP, folder / "mychip", ignore=shutil.ignore_patterns("maker", "networks.py", "__pycache__"))
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(site)]
    subprocess.run(command, cwd=folder / "mychip", check=True, capture_output=True)
    with zipfile.ZipFile(next(site.glob("*.whl"))) as wheel:
        wheel.extractall(site)  # what pip does with a pure wheel
    nirfile.write(folder / "net.nir", networks.legal())
    nirfile.write(folder / "illegal.nir", networks.illegal())
    np.save(folder / "x.npy", networks.stimulus(0))
    return Bench(folder, site, house)


@pytest.fixture(scope="module")
def inside(bench: Bench) -> Iterator[Path]:
    """The chip's target file, while the chip is installed in this very process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(bench.site))
        yield bench.target
        sys.modules.pop("mychip", None)


@pytest.fixture
def untouched(bench: Bench) -> Iterator[None]:
    """Package, targets and templates are the same bytes before and after."""
    said = bench.run("-c", "import nirdeploy; print(nirdeploy.__file__)").stdout
    assert Path(said.strip()).is_relative_to(bench.house)
    before = fingerprints(bench.house)
    yield
    assert len(before) > 100
    assert fingerprints(bench.house) == before


def fingerprints(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


# --- from the terminal ----------------------------------------------------------------


@pytest.mark.usefixtures("untouched")
def test_the_documents_commands_deploy_a_network(bench: Bench) -> None:
    install, *commands = map(shlex.split, COMMANDS)
    assert install == ["pip", "install", "./mychip"]  # what the fixture did
    for program, *arguments in commands:
        done = bench.nirdeploy(*arguments) if program == "nirdeploy" else bench.run(*arguments)
        assert done.returncode == 0, (program, arguments, done.stderr)
        assert "Traceback" not in done.stderr
    record, chip = SpikeRecord.load(bench.folder / "record.nird"), np.load(bench.folder / "spikes.npz")
    assert set(chip.files) == set(record.spikes) == {"hidden", "last"}
    for name, spikes in record.spikes.items():
        np.testing.assert_array_equal(spikes, chip[name])
        assert 50 < spikes.sum() < 0.9 * spikes.size
    _its_products_say_so(bench)


def _its_products_say_so(bench: Bench) -> None:
    built = bench.folder / "built"
    found = json.loads(bench.nirdeploy("verify", built, "-x", "x.npy", "--json").stdout)
    assert found["equal"] is False  # nothing was measured: its integers would be compared with themselves
    assert [verdict["measured"] for verdict in found["verdicts"]] == ["nothing", "mychip"]
    assert found["explanation"]["first_divergence"]  # 4-bit weights cost something, and it is explained
    configuration = json.loads((built / "hardware" / "configuration.json").read_text())
    assert [p["cores"] for p in configuration["populations"]] == [[[0, 0, 16], [1, 16, 8]], [[1, 0, 6]]]
    assert [p["leak"] for p in configuration["populations"]] == [3, 2]
    assert "on My Chip (fictitious, four cores)" in (built / "hardware" / "run.py").read_text()


def test_an_estimate_is_by_the_chips_figures(bench: Bench) -> None:
    said = bench.nirdeploy("estimate", "net.nir", "--target", bench.target, "--activity", 0.5, "--json")
    (found,) = json.loads(said.stdout)["targets"]
    assert (found["target"], found["fits"], len(found["cores"])) == ("mychip", True, 4)
    matrices = networks.weights(24, networks.INPUTS), networks.weights(6, 24)
    synapses = [int((np.rint(w / np.abs(w).max() * 7) != 0).sum()) for w in matrices]
    assert found["figures"]["synaptic_events"] == pytest.approx(0.5 * sum(synapses))
    first_core = 16 + 0.5 * synapses[0] * 16 / 24
    assert found["figures"]["cycles"] == pytest.approx(max(first_core, 14 + 0.5 * (synapses[0] / 3 + synapses[1])))
    assert found["figures"]["step_us"] == pytest.approx(found["figures"]["cycles"])


def test_an_illegal_network_is_refused_as_the_document_says(bench: Bench) -> None:
    before = sorted(bench.folder.iterdir())
    said = bench.nirdeploy("check", "illegal.nir", "--target", "./mychip/mychip.toml")
    assert (said.returncode, said.stdout) == (4, "")
    assert said.stderr == REFUSED
    assert sorted(bench.folder.iterdir()) == before


def test_one_flipped_spike_is_a_regression(bench: Bench, inside: Path, cli: terminal.Cli, tmp_path: Path) -> None:
    record = nd.simulate(nd.build(networks.legal(), inside), networks.stimulus(0))
    record.save(tmp_path / "golden.nird")
    spikes = {name: values.copy() for name, values in record.spikes.items()}
    spikes["last"][7, 1, 2] ^= 1
    replace(record, spikes=spikes).save(tmp_path / "flipped.nird")
    said = cli("regress", "check", tmp_path / "golden.nird", tmp_path / "flipped.nird", "--json")
    assert (said.code, said.json["failed"]) == (1, ["last"])


def test_without_its_plug_in_the_target_says_what_is_missing(bench: Bench) -> None:
    said = bench.nirdeploy("check", "net.nir", "--target", bench.target, paths=())
    assert said.returncode == 3
    assert said.stderr == (
        "error[E303]: there is no backend 'mychip' (in "
        f"{bench.target}); backends: fpga, loihi2, speck, spinnaker2, xylo; a plug-in registers its own under "
        "'nirdeploy.backends'\n"
    )


@pytest.mark.parametrize(
    ("named", "text"),
    [
        ("mychip:Nothing", "does not load: module 'mychip' has no attribute 'Nothing'"),
        ("nowhere:MyChip", "does not load: No module named 'nowhere'"),
        ("mychip:Hardware", "'mychip' is not a backend"),
    ],
)
def test_a_plug_in_that_is_broken_is_no_bug_of_ours(bench: Bench, tmp_path: Path, named: str, text: str) -> None:
    shutil.copytree(bench.site, tmp_path / "site")
    (entries,) = (tmp_path / "site").glob("*.dist-info/entry_points.txt")
    entries.write_text(f"[{registry.PLUGINS}]\nmychip = {named}\n")
    said = bench.nirdeploy("check", "net.nir", "--target", bench.target, paths=(tmp_path / "site",))
    assert said.returncode == 3
    assert re.fullmatch(r"error\[E303\]: [^\n]+\n", said.stderr)
    assert text in said.stderr


def test_figures_that_do_not_go_together_are_named(inside: Path, cli: terminal.Cli, tmp_path: Path) -> None:
    def said(old: str, new: str) -> str:
        (tmp_path / "mychip.toml").write_text(inside.read_text().replace(old, new))
        found = cli("check", inside.parents[1] / "net.nir", "--target", tmp_path / "mychip.toml")
        assert found.code == 3
        return str(found.err)

    assert "cores x neurons = 128 counters, address_bits = 6 is 64" in said("cores = 4", "cores = 8")
    assert "hardware.cores: field required; hardware.core: extra inputs" in said("cores = 4", "core = 4")
    assert "formats.leak_bits: input should be" in said("leak_bits = 3", "leak_bits = 9")


# --- its numbers ----------------------------------------------------------------------


def driven(build: pipeline.Build, x: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Spikes and counters (T, B, size) by the maker's driver, loaded with the rendered configuration."""
    configuration = json.loads(build.artifacts["configuration.json"])
    names = [population["name"] for population in configuration["populations"]]
    spikes: dict[str, list[Any]] = {name: [[] for _ in x] for name in names}
    counters: dict[str, list[Any]] = {name: [[] for _ in x] for name in names}
    for sample in range(x.shape[1]):
        chip = mychip_driver.Chip(configuration, cores=4)
        for t, step in enumerate(x[:, sample]):
            fired = chip.step({"in": step.tolist()})
            for name in names:
                spikes[name][t].append(fired[name])
                counters[name][t].append([*chip.counters[name]])
    return _arrays(spikes), _arrays(counters)


def _arrays(kept: dict[str, list[Any]]) -> dict[str, np.ndarray]:
    return {name: np.array(values) for name, values in kept.items()}


@pytest.mark.law
def test_every_spike_and_counter_is_the_chips(inside: Path) -> None:
    tally: Counter[str] = Counter()

    @settings(max_examples=examples(100))
    @given(
        seed=st.integers(0, 2**16),
        sizes=st.lists(st.integers(1, 20), min_size=1, max_size=3),
        inputs=st.integers(1, 64),
        taus=st.lists(st.sampled_from([2.0, 3.0, 8.0, 100.0, 0.0]), min_size=3, max_size=3),
        threshold=st.sampled_from([0.3, 1.0, 12.0, 290.0]),
        compare=st.sampled_from([">", ">="]),
    )
    def law(seed: int, sizes: list[int], inputs: int, taus: list[float], threshold: float, compare: str) -> None:
        build = nd.build(networks.stack(seed, sizes, inputs, taus, threshold, compare), inside)
        x = networks.stimulus(seed, inputs, 0.6)
        spikes, counters = driven(build, x)
        record = nd.simulate(build, x, membrane=list(counters))
        for name in counters:
            np.testing.assert_array_equal(record.spikes[name], spikes[name], err_msg=name)
            np.testing.assert_array_equal(record.membrane[name], counters[name], err_msg=name)
            tally.update(cells=spikes[name].size, spikes=int(spikes[name].sum()))
        tally["networks"] += 1

    law()
    print("fictitious chip, its driver:", ", ".join(f"{name} {count:,}" for name, count in tally.items()))  # noqa: T201
    assert tally["networks"] >= 100
    assert tally["spikes"] > 0.02 * tally["cells"]


def test_a_weight_changed_is_seen(inside: Path) -> None:
    """So that the comparison above is known to be able to fail."""
    build, x = nd.build(networks.legal(), inside), networks.stimulus(0)
    spikes, _ = driven(build, x)
    way = build.network.projections[0]
    weight = way.weight + np.eye(*way.weight.shape, dtype=np.int32)
    other = replace(way, operator=replace(way.operator, weight=weight))
    changed = replace(build.network, projections=(other, *build.network.projections[1:]))
    record = integer.simulate(changed, x)
    assert (record.spikes["hidden"] != spikes["hidden"]).any()


def test_counters_saturate_as_the_chips(inside: Path) -> None:
    """A weight of 7 in every step, a threshold of 2046: only the saturated 2047 is above."""
    neurons = networks.integrate(1, 2046.5 / 7)
    build = nd.build(networks.layers(("w", nir.Linear(np.ones((1, 1)))), ("p", neurons), inputs=1), inside)
    x = np.ones((700, 1, 1), dtype=np.uint8)
    record = nd.simulate(build, x)
    assert np.flatnonzero(record.spikes["p"]).tolist() == [292, 585]
    assert record.stats["saturations"] == 2
    np.testing.assert_array_equal(record.spikes["p"], driven(build, x)[0]["p"])


# --- its limits -----------------------------------------------------------------------


@pytest.mark.parametrize("name", networks.BROKEN)
def test_each_limit(inside: Path, name: str) -> None:
    graph, text = networks.BROKEN[name]
    with pytest.raises(DoesNotFit, match=re.escape(text)):
        nd.build(graph, inside)


def test_sixty_four_neurons_fit(inside: Path) -> None:
    build = nd.build(networks.one_layer(networks.lif(64), 64, 64), inside)
    assert [core.used["neurons"] for core in build.placement.cores] == [16] * 4


# --- a target file alone --------------------------------------------------------------


@pytest.fixture
def variant(tmp_path: Path) -> Path:
    """A chip of nirdeploy's with fewer cores, in a file of its own: no code, no templates."""
    text = (targets_dir() / "spinnaker2.toml").read_text()
    assert "\ncores = 152\n" in text
    (tmp_path / "mine.toml").write_text(text.replace("\ncores = 152\n", "\ncores = 7\n"))
    nirfile.write(tmp_path / "net.nir", networks.legal())
    nirfile.write(tmp_path / "large.nir", networks.one_layer(networks.lif(600), 600))
    np.save(tmp_path / "x.npy", networks.stimulus(0))
    return tmp_path


@pytest.mark.usefixtures("untouched")
def test_a_target_file_alone_is_a_chip(bench: Bench, variant: Path) -> None:
    here, chosen = replace(bench, folder=variant), ("--target", "./mine.toml")
    for command in (
        ("check", "net.nir", *chosen),
        ("build", "net.nir", *chosen, "--out", "built"),
        ("run", "built", "x.npy", "--port", "sim", "--out", "record.nird"),
        ("regress", "record", "golden.nird", "record.nird"),
        ("regress", "check", "golden.nird", "record.nird"),
        ("estimate", "net.nir", *chosen),
    ):
        said = here.nirdeploy(*command, paths=())
        assert said.returncode == 0, (command, said.stderr)
    theirs = nd.simulate(nd.build(variant / "net.nir", "spinnaker2"), networks.stimulus(0))
    for name, spikes in SpikeRecord.load(variant / "record.nird").spikes.items():
        np.testing.assert_array_equal(spikes, theirs.spikes[name])
    refused = here.nirdeploy("check", "large.nir", *chosen, paths=())
    assert refused.returncode == 4
    assert "needs 4 cores ('in' 1, 'p' 3), the chip has 3 (7 less 4 for its system)" in refused.stderr


def test_templates_beside_the_target_file_take_precedence(variant: Path, cli: terminal.Cli) -> None:
    own = variant / "spinnaker2"
    (own / "notes").mkdir(parents=True)
    (own / "notes" / "cores.txt.j2").write_text("{{ target.name | ident }} {{ hardware.cores }}\n")
    (own / "_partial.j2").write_text("{{ nothing }}")
    chosen = ("--target", variant / "mine.toml", "--out", variant / "built")
    assert cli("build", variant / "net.nir", *chosen).code == 0
    rendered = {p.relative_to(variant / "built" / "hardware") for p in (variant / "built" / "hardware").rglob("*.*")}
    assert rendered == {Path("notes/cores.txt")}
    assert (variant / "built" / "hardware" / "notes" / "cores.txt").read_text() == "mine 7\n"


def test_a_template_folder_that_is_nowhere(variant: Path, cli: terminal.Cli) -> None:
    path = variant / "mine.toml"
    path.write_text(path.read_text().replace('templates = "spinnaker2"', 'templates = "mine"'))
    said = cli("build", variant / "net.nir", "--target", path, "--out", variant / "built")
    assert said.code == 3
    assert f"there is no template folder 'mine' (in target mine); looked in {variant} and " in said.err
