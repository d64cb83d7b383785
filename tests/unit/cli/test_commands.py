"""The commands in the order in which a user calls them, on a device behind a serial port."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nir
import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy import pipeline
from nirdeploy.graph import file as nirfile
from nirdeploy.targets import registry as target
from tests.doubles.device import DeviceModel, ServedModel
from tests.unit.cli.conftest import Cli
from tests.unit.proof.test_verify import record as made

INPUTS, NEURONS, STEPS, SAMPLES = 6, 5, 8, 3


def failures(junit: Path) -> str | None:
    """How many a JUnit file says have failed."""
    suite = ET.parse(junit).getroot().find("testsuite")
    assert suite is not None
    return suite.get("failures")


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    with ServedModel(DeviceModel(target.load("fpga"))) as served:
        yield served.port


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(3)
    params = {"tau": 8e-4, "r": 8.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    graph = nir.NIRGraph(
        nodes={
            "input": nir.Input({"input": np.array([INPUTS])}),
            "fc": nir.Affine(rng.normal(0.2, 0.4, (NEURONS, INPUTS)), rng.normal(0, 0.1, NEURONS)),
            "lif": nir.LIF(**{name: np.full(NEURONS, value) for name, value in params.items()}),
            "output": nir.Output({"output": np.array([NEURONS])}),
        },
        edges=[("input", "fc"), ("fc", "lif"), ("lif", "output")],
        metadata={"nirdeploy_dialect": "nir,reset=subtract"},
        type_check=False,
    )
    path = tmp_path_factory.mktemp("model") / "m.nir"
    nirfile.write(path, graph)
    return path


@pytest.fixture(scope="module")
def stimulus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    x = np.random.default_rng(4).integers(0, 2, (STEPS, SAMPLES, INPUTS), dtype=np.uint8)
    path = tmp_path_factory.mktemp("stimulus") / "x.npz"
    np.savez(path, x=x, labels=np.arange(SAMPLES))
    return path


@pytest.fixture(scope="module")
def build(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "build"
    nd.build(model, out=out)
    return out


@pytest.fixture
def record(build: Path, stimulus: Path, tmp_path: Path) -> Path:
    """What the integer simulator says."""
    path = tmp_path / "expected.nird"
    nd.simulate(build, np.load(stimulus)["x"]).save(path)
    return path


@pytest.fixture
def wrong(record: Path, tmp_path: Path) -> Path:
    """The same with one spike more or less, of neuron 2."""
    expected = nd.SpikeRecord.load(record)
    spikes = {name: values.copy() for name, values in expected.spikes.items()}
    spikes["lif"][4, 1, 2] ^= 1
    path = tmp_path / "wrong.nird"
    replace(expected, spikes=spikes).save(path)
    return path


def test_targets(cli: Cli) -> None:
    found = cli("targets", "--json").json["targets"]
    assert [entry["name"] for entry in found] == target.names()
    plain = cli("targets")
    assert plain.code == 0
    for name in target.names():
        assert name in plain.out


def test_check_shows_the_normal_form_and_where_the_dialect_is_from(cli: Cli, model: Path) -> None:
    found = cli("check", model, "--json").json
    assert [(p["name"], p["model"], p["neurons"]) for p in found["populations"]] == [
        ("input", "Input", INPUTS),
        ("lif", "LIF", NEURONS),
    ]
    assert [(p["source"], p["target"]) for p in found["projections"]] == [("input", "lif")]
    assert found["dialect_source"] == "metadata"
    assert found["dialect"]["reset"] == "subtract"
    plain = cli("check", model, "-t", "fpga")
    for part in ("lif", "LIF", "metadata", "subtract", "fits target fpga"):
        assert part in plain.out


def test_the_command_line_decides_the_dialect(cli: Cli, model: Path) -> None:
    found = cli("check", model, "--dialect", "spikingjelly", "--dt", "2e-4", "--json").json
    assert found["dialect_source"] == "argument"
    assert (found["dialect"]["threshold"], found["dialect"]["dt"]) == (">=", 2e-4)


def test_build(cli: Cli, model: Path, tmp_path: Path) -> None:
    found = cli("build", model, "-o", tmp_path / "b", "--json").json
    assert found["stages"] == list(pipeline.STAGES)
    assert found["digests"]["image"] == pipeline.Build.load(tmp_path / "b").image.digest()
    assert [row["population"] for row in found["quantization"]] == ["lif"]
    assert sum(core["used"]["jobs"] for core in found["cores"]) == 1
    plain = cli("build", model, "-o", tmp_path / "again")
    assert "check, quantize, place, emit, image" in plain.out
    assert (tmp_path / "again/image.ndi").read_bytes() == (tmp_path / "b/image.ndi").read_bytes()


def test_build_stops_and_resumes_anywhere(cli: Cli, model: Path, tmp_path: Path, build: Path) -> None:
    for last, following in zip(pipeline.STAGES, pipeline.STAGES[1:], strict=False):
        out = tmp_path / last
        stopped = cli("build", model, "-o", out, "--to", last, "--json")
        assert stopped.code == 0, stopped.err
        assert not (out / "image.ndi").exists()
        resumed = cli("build", "-o", out, "--from", following, "--json")
        assert resumed.code == 0, resumed.err
        assert (out / "image.ndi").read_bytes() == (build / "image.ndi").read_bytes()


def test_flash_sends_once(cli: Cli, build: Path, port: str) -> None:
    first = cli("flash", build, "-p", port, "--force", "--json").json
    assert first["image"] == pipeline.Build.load(build).image.digest()
    assert first["bytes_sent"] > 0
    assert first["link_efficiency"] > 0
    second = cli("flash", build, "-p", port, "--json").json
    assert second["already_there"]
    assert second["bytes_sent"] == 0
    assert "already" in cli("flash", build, "-p", port).out


def test_run_records_what_the_simulator_says(
    cli: Cli, build: Path, stimulus: Path, port: str, tmp_path: Path, record: Path
) -> None:
    cli("flash", build, "-p", port)
    out = tmp_path / "measured.nird"
    found = cli("run", build, stimulus, "-p", port, "-o", out, "--json").json
    measured = nd.SpikeRecord.load(out)
    assert (found["steps"], found["samples"]) == (STEPS, SAMPLES)
    assert found["spikes"] == {"lif": int(measured["lif"].sum())}
    assert found["spikes"]["lif"] > 0
    assert 0 <= found["accuracy"] <= 1
    assert np.array_equal(measured["lif"], nd.SpikeRecord.load(record)["lif"])


def test_run_a_tally(cli: Cli, build: Path, stimulus: Path, port: str, tmp_path: Path, record: Path) -> None:
    """It is written, shown, compared with every step and evaluated; what needs steps says that they are not there."""
    cli("flash", build, "-p", port)
    out = tmp_path / "tally.nird"
    found = cli("run", build, stimulus, "-p", port, "--tally", "count,first", "-o", out, "--json").json
    simulated = nd.SpikeRecord.load(record)["lif"]
    assert (found["steps"], found["samples"], found["reads"]) == (STEPS, SAMPLES, ["count", "first"])
    assert found["spikes"] == {"lif": int(simulated.sum())}
    told = cli("info", out, "--json").json
    assert (told["kind"], told["reads"], told["populations"]) == ("tally", ["count", "first"], ["lif"])
    done = cli("verify", record, out)
    assert done.code == 0
    assert "compared sample by sample (count, first), not step by step" in done.out
    np.save(tmp_path / "labels.npy", np.arange(SAMPLES))
    [one] = cli("evaluate", out, "--labels", tmp_path / "labels.npy", "--json").json["witnesses"]
    assert (one["reader"], one["accuracy"], one["steps_needed"]) == ("count", found["accuracy"], None)
    refused = cli("regress", "record", out, tmp_path / "golden.nird")
    assert refused.code != 0
    same = cli("run", build, stimulus, "-p", "sim", "--tally", "count", "-o", tmp_path / "sim.nird", "--json").json
    assert same["spikes"] == found["spikes"]
    assert "no 'mean'" in cli("run", build, stimulus, "-p", port, "--tally", "mean", "-o", out).err


def test_verify_a_build(cli: Cli, build: Path, stimulus: Path, port: str, tmp_path: Path) -> None:
    html, junit = tmp_path / "v.html", tmp_path / "v.xml"
    done = cli("verify", build, "-x", stimulus, "-p", port, "--html", html, "--junit", junit, "--json")
    assert done.code == 0, done.err
    assert done.json["equal"]
    assert [(v["expected"], v["measured"]) for v in done.json["verdicts"]] == [
        ("integer", "device"),
        ("float", "integer"),
    ]
    assert done.json["explanation"]["causes"]
    assert html.read_text().lstrip().lower().startswith("<!doctype html")
    assert failures(junit) == "0"


def test_verify_goes_red_and_names_the_neuron(cli: Cli, record: Path, wrong: Path, tmp_path: Path) -> None:
    assert cli("verify", record, record).code == 0
    done = cli("verify", record, wrong, "--junit", tmp_path / "v.xml", "--json")
    assert done.code == 1
    [verdict] = done.json["verdicts"]
    assert verdict["mismatches"] == 1
    first = verdict["first_divergence"]
    assert (first["population"], first["step"], first["sample"], first["neuron"]) == ("lif", 4, 1, [2])
    assert failures(tmp_path / "v.xml") == "1"
    plain = cli("verify", record, wrong)
    assert plain.code == 1
    assert "population 'lif', neuron 2, step 4, sample 1" in plain.out


def test_silent_read_outs_are_never_equal(cli: Cli, tmp_path: Path) -> None:
    """Whatever else of the read-out's form changes, in a network of read-outs only or not."""
    golden, run, page = tmp_path / "golden.nird", tmp_path / "run.nird", tmp_path / "v.html"
    for name, spikes in {"spiking": made().spikes, "read-outs": {}}.items():
        expected, out = made(spikes=spikes), tmp_path / f"{name}.nird"
        expected.save(out)
        assert cli("verify", out, out).code == 0
        golden.unlink(missing_ok=True)
        assert cli("regress", "record", golden, out).code == 0
        for dtype, scale in ((np.int32, [0.5, np.nextafter(0.25, 1)]), (np.int64, [0.5, 0.25]), (np.float32, [1, 1])):
            silent = {"r": np.zeros((9, 3, 2), dtype)}
            made(spikes=spikes, membrane=silent, scale={"r": np.array(scale, float)}).save(run)
            said = cli("verify", out, run, "--html", page)
            assert said.code == 1
            assert "first at population 'r'" in said.out
            assert "differs from" in page.read_text()
            assert cli("verify", out, run, "--json").json["equal"] is False
            assert cli("regress", "check", golden, run, "--json").json["failed"] == ["r"]
            assert cli("regress", "check", golden, run).code == 1


def test_a_verdict_on_nothing_is_no_success(cli: Cli, tmp_path: Path) -> None:
    exact, rounded = tmp_path / "float.nird", tmp_path / "integer.nird"
    made(spikes={}, membrane={"r": made().volts("r")}, scale={}, source="float").save(exact)
    made(spikes={}).save(rounded)
    said = cli("verify", exact, rounded)
    assert said.code == 1
    assert "nothing was compared; membrane of 'r' measured, not judged: float64 without a scale" in said.out


def test_regress(cli: Cli, record: Path, wrong: Path, tmp_path: Path) -> None:
    golden, junit = tmp_path / "golden.nird", tmp_path / "r.xml"
    assert cli("regress", "record", golden, record, "--json").json["populations"] == ["lif"]
    assert cli("regress", "check", golden, record).code == 0
    red = cli("regress", "check", golden, wrong, "--junit", junit, "--json")
    assert red.code == 1
    assert red.json["failed"] == ["lif"]
    assert failures(junit) == "1"
    assert "lif" in cli("regress", "check", golden, wrong).out
    allowed = 1.5 / (STEPS * SAMPLES * NEURONS)
    assert cli("regress", "check", golden, wrong, "--tolerance", allowed).code == 0
    assert cli("regress", "check", golden, wrong, "--tolerance", f"lif={allowed}").code == 0
    assert cli("regress", "check", golden, wrong, "--tolerance", allowed / 3).code == 1


def test_regress_update_needs_a_reason(cli: Cli, record: Path, wrong: Path, tmp_path: Path) -> None:
    golden = tmp_path / "golden.nird"
    cli("regress", "record", golden, record)
    before = golden.read_bytes()
    assert cli("regress", "update", golden, wrong).code == 2
    assert cli("regress", "update", golden, wrong, "--reason", " ").code == 2
    assert golden.read_bytes() == before
    done = cli("regress", "update", golden, wrong, "--reason", "new threshold", "--json")
    assert done.json["verdict"]["mismatches"] == 1
    assert cli("regress", "check", golden, wrong).code == 0


def test_labels_give_an_accuracy_for_each_record(cli: Cli, record: Path, wrong: Path, tmp_path: Path) -> None:
    golden, labels = tmp_path / "golden.nird", tmp_path / "labels.npz"
    np.savez(labels, labels=np.zeros(SAMPLES, dtype=np.int64))
    cli("regress", "record", golden, record)
    scores = cli("regress", "check", golden, record, "--labels", labels, "--json").json["accuracy"]
    assert scores["golden"] == scores["now"] == nd.accuracy(nd.SpikeRecord.load(record), np.zeros(SAMPLES))
    assert "accuracy, now: " in cli("regress", "check", golden, record, "--labels", labels).out
    facts = cli("verify", record, wrong, "--labels", labels, "--json").json["facts"]
    assert {f"accuracy, {record.name}", f"accuracy, {wrong.name}"} == set(facts)
    (tmp_path / "old").mkdir()
    namesake = shutil.copy(wrong, tmp_path / "old" / record.name)
    facts = cli("verify", record, namesake, "--labels", labels, "--json").json["facts"]
    assert set(facts) == {f"accuracy, {record}", f"accuracy, {namesake}"}
    np.save(tmp_path / "short.npy", np.zeros(1))
    assert "the labels have the shape (1,)" in cli("verify", record, wrong, "--labels", tmp_path / "short.npy").err
    np.savez(tmp_path / "none.npz", y=np.zeros(1))
    assert "the file holds no labels, but y" in cli("verify", record, wrong, "--labels", tmp_path / "none.npz").err
    assert "there is no such labels file" in cli("verify", record, wrong, "--labels", tmp_path / "gone.npy").err


def test_verify_against_the_simulator_itself_says_that_nothing_was_measured(
    cli: Cli, build: Path, stimulus: Path, tmp_path: Path
) -> None:
    said = cli("verify", build, "-x", stimulus, "-p", "sim", "--html", tmp_path / "r.html")
    assert said.code == 1
    assert "nothing was measured: port 'sim' is the integer simulator" in said.out
    assert (tmp_path / "r.html").is_file()


def test_info_of_files(cli: Cli, build: Path, record: Path) -> None:
    built = pipeline.Build.load(build)
    assert cli("info", build, "--json").json["digests"]["image"] == built.image.digest()
    image = cli("info", build / "image.ndi", "--json").json
    assert (image["kind"], image["hash"], image["populations"]) == ("image", built.image.digest(), ["lif"])
    kept = cli("info", record, "--json").json
    assert (kept["kind"], kept["source"], kept["steps"]) == ("record", "integer", STEPS)
    assert "integer" in cli("info", record).out


def test_info_of_a_device(cli: Cli, build: Path, port: str) -> None:
    cli("flash", build, "-p", port, "--force")
    found = cli("info", "-p", port, "--json").json
    assert found["is_target"]
    assert found["state"] == "ready"
    assert found["signature"] == target.load("fpga").signature.hex()
    assert found["image"] == pipeline.Build.load(build).image.digest()


@pytest.mark.parametrize("arguments", [(), ("here", "-p", "there")])
def test_info_takes_a_file_or_a_port(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli("info", *arguments).code == 2


@pytest.mark.xdist_group("default-board")
def test_a_virtual_board_from_start_to_stop(
    cli: Cli, build: Path, stimulus: Path, tmp_path: Path, record: Path, request: pytest.FixtureRequest
) -> None:
    name = f"test-{tmp_path.name}"
    request.addfinalizer(lambda: cli("board", "stop", name))
    started = cli("board", "start", name, "--json").json
    assert started["target"] == "fpga"
    port = started["port"]
    assert name in [entry["name"] for entry in cli("board", "list", "--json").json["boards"]]
    again = cli("board", "start", name)
    assert again.code == 6
    assert port in again.err
    assert cli("flash", build, "-p", port).code == 0
    out = tmp_path / "measured.nird"
    assert cli("run", build, stimulus, "-p", port, "-o", out).code == 0
    assert cli("verify", record, out).code == 0
    with Path(port).open("rb"):  # keeps its number from another test's terminal, which is not to be written to
        assert cli("board", "stop", name).code == 0
        assert name not in [entry["name"] for entry in cli("board", "list", "--json").json["boards"]]
        assert cli("flash", build, "-p", port).code == 6
