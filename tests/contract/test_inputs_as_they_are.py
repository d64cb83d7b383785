"""Inputs as they are: the same stimuli accepted, refused and understood by simulator, command line, link and board;
and images in 0 to 1, in 0 to 255 and normalized worth on the device what they were worth in training."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn
from torch.nn import functional

import nirdeploy as nd
from nirdeploy.cli import main
from nirdeploy.cli.demo_ import digits
from nirdeploy.device.client import Device
from nirdeploy.errors import InputShapeError
from nirdeploy.exchange.modules import LIF
from nirdeploy.graph.extension import MaxPool2d
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.targets.tables import Target
from tests import hardware
from tests.conftest import examples
from tests.doubles.device import DeviceModel
from tests.unit.device.models import ModelPort

pytestmark = pytest.mark.xdist_group("board")
SHAPE = (1, 4, 4)
#: What is said of the inputs, by name.
SAID: dict[str, dict[str, Any]] = {
    "spikes": {},
    "counts": {"input_bits": 4},
    "signed": {"input_range": (-1.0, 2.0), "input_bits": 8},
    "steps": {"input_scale": 0.5, "input_bits": 3},
    "bordered": {"input_range": (-1.0, 2.0), "input_bits": 8},
}


@pytest.fixture(scope="module")
def target() -> Target:
    return hardware.small_device()


@pytest.fixture(scope="module")
def board(target: Target) -> Iterator[Device]:
    with nd.open_device("virtual", target) as device:
        yield device


def lif(shape: tuple[int, ...]) -> nir.LIF:
    full = {key: np.full(shape, value) for key, value in (("tau", 5e-3), ("r", 5.0), ("v_threshold", 0.7))}
    return nir.LIF(**full, v_leak=np.zeros(shape), v_reset=np.zeros(shape))


def padded() -> nir.NIRGraph:
    """A padded convolution, a pool straight on the input, and a residual from it past both."""
    rng = np.random.default_rng(3)
    nodes = {
        "in": nir.Input({"input": np.array(SHAPE)}),
        "conv": nir.Conv2d((4, 4), rng.normal(0.1, 0.5, (2, 1, 3, 3)), 1, 1, 1, 1, rng.normal(0, 0.1, 2)),
        "lif1": lif((2, 4, 4)),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([1, 2, 2])}, 0, -1),
        "fc1": nir.Linear(rng.normal(0, 0.3, (5, 4))),
        "lif2": lif((5,)),
        "flat2": nir.Flatten({"input": np.array([2, 4, 4])}, 0, -1),
        "fc2": nir.Affine(rng.normal(0, 0.3, (5, 32)), rng.normal(0, 0.1, 5)),
        "out": nir.Output({"output": np.array([5])}),
    }
    edges = [("in", "conv"), ("conv", "lif1"), ("lif1", "flat2"), ("flat2", "fc2"), ("fc2", "lif2")]
    edges += [("in", "pool"), ("pool", "flat"), ("flat", "fc1"), ("fc1", "lif2"), ("lif2", "out")]
    return nir.NIRGraph(nodes, edges)


def bordered() -> nir.NIRGraph:
    """A convolution, padded by one and by two, and a maximum in front of its neurons: the host pads."""
    rng = np.random.default_rng(4)
    pad = np.array([1, 2])
    nodes = {
        "in": nir.Input({"input": np.array(SHAPE)}),
        "conv": nir.Conv2d((4, 4), rng.normal(0, 0.5, (2, 1, 3, 3)), 1, pad, 1, 1, rng.normal(0, 0.1, 2)),
        "max": MaxPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "lif1": lif((2, 2, 3)),
        "flat": nir.Flatten({"input": np.array([2, 2, 3])}, 0, -1),
        "fc": nir.Affine(rng.normal(0, 0.4, (5, 12)), rng.normal(0.1, 0.1, 5)),
        "lif2": lif((5,)),
        "out": nir.Output({"output": np.array([5])}),
    }
    return nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)


@dataclass
class Ways:
    """One build behind four doors."""

    built: nd.Build
    board: Device
    folder: Path

    def through(self, x: Any) -> dict[str, tuple[str, Any]]:
        """By way: "taken" and what spiked, or "refused" and why."""
        model = DeviceModel(self.built.target)
        link = Device(ModelPort(model))
        nd.flash(self.built, link)
        return {
            "simulate": _tried(lambda: nd.simulate(self.built, x)),
            "port sim": self._command(x),
            "link": _tried(lambda: nd.run(link, x)),
            "virtual board": _tried(lambda: nd.run(self.board, x, image=self.built.image)),
        }

    def _command(self, x: Any) -> tuple[str, Any]:
        path, out, said = self.folder / "x.npy", self.folder / "run.nird", io.StringIO()
        np.save(path, x)
        arguments = ["run", self.folder / "build", path, "-p", "sim", "-o", out, "--json"]
        with pytest.raises(SystemExit) as stop, contextlib.redirect_stdout(said):
            main([str(argument) for argument in arguments])
        if stop.value.code:
            assert stop.value.code == InputShapeError.exit_code
            error = json.loads(said.getvalue())["error"]
            return "refused", (error["message"], error["where"], error["hint"])
        return "taken", _spikes(SpikeRecord.load(out))


def _tried(run: Any) -> tuple[str, Any]:
    try:
        return "taken", _spikes(run())
    except InputShapeError as error:
        return "refused", (error.message, error.where, error.hint)


def _spikes(record: SpikeRecord) -> dict[str, Any]:
    return {name: values.tolist() for name, values in record.spikes.items()}


@pytest.fixture(scope="module", params=SAID)
def ways(request: pytest.FixtureRequest, target: Target, board: Device, tmp_path_factory: Any) -> Ways:
    folder = tmp_path_factory.mktemp("ways")
    graph = bordered() if request.param == "bordered" else padded()
    built = nd.build(graph, target, folder / "build", dt=1e-3, **SAID[request.param])
    assert bool(built.network.takes["in"].border) == (request.param == "bordered")
    nd.flash(built, board)
    return Ways(built, board, folder)


VALUES = st.sampled_from([0, 0, 1, 1, 1, 2, 3, 7, 8, 15, 16, 255, 256, -1, -2])
NUMBERS = VALUES.map(float) | st.sampled_from([0.5, 0.25, 1.5, -0.99, 3.5, 3.6, 1.9999, 2.0001, np.nan, np.inf])
STIMULI = (
    hnp.arrays("i4", (3, 2, *SHAPE), elements=st.sampled_from([0, 1]))
    | hnp.arrays("u1", (3, 2, *SHAPE), elements=st.sampled_from([0, 1, 3, 15]))
    | hnp.arrays("f4", (3, 2, *SHAPE), elements=st.floats(-1, 2, width=32))
    | hnp.arrays("f8", (3, 2, *SHAPE), elements=st.floats(0, 1))
    | hnp.arrays("i8", (2, 1, *SHAPE), elements=VALUES)
    | hnp.arrays("f8", (2, 1, *SHAPE), elements=NUMBERS)
    | hnp.arrays("?", (2, 2, *SHAPE))
    | hnp.arrays("f4", st.sampled_from([(3, *SHAPE), (2, 1, 4, 4), (2, 1, 1, 4, 5), (2, 1, 1, 6, 8), (0, 1, *SHAPE)]))
)


@pytest.mark.law
@settings(max_examples=examples(20), deadline=None)
@given(x=STIMULI)
def test_every_way_takes_and_refuses_the_same(ways: Ways, x: np.ndarray) -> None:
    found = ways.through(x)
    assert len(set(map(repr, found.values()))) == 1, found


def test_what_is_taken_spikes_and_what_is_refused_is_said(ways: Ways) -> None:
    takes = ways.built.graph.encoding("in")
    good = takes.numbers(np.random.default_rng(0).integers(0, takes.top + 1, (12, 2, *SHAPE)))
    for how, spikes in ways.through(good).values():
        assert how == "taken"
        assert np.any(spikes["lif1"])
        assert np.any(spikes["lif2"])
    bad = good.copy()
    bad[2, 1, 0, 3, 1] = 2.75
    for how, said in ways.through(bad).values():
        assert how == "refused" or takes.scale == 0.5
        if how == "refused":
            assert said[0] == f"the stimulus holds 2.75 in sample 1, step 2, index (0, 3, 1): this build takes {takes}"
            assert said[1] == "input 'in'"
            assert "--input-range" in said[2]


def test_a_board_of_signed_images_through_padding_differs_in_no_cell(target: Target, board: Device) -> None:
    built = nd.build(padded(), target, dt=1e-3, input_range=(-2.0, 1.5))
    x = np.random.default_rng(1).normal(0, 0.7, (20, 8, *SHAPE)).clip(-2, 1.5)
    x[:, 0] = 0.0
    nd.flash(built, board)
    verdict = nd.verify(nd.simulate(built, x), nd.run(board, x, image=built.image))
    assert verdict.equal, verdict.summary()
    assert verdict.cells == 20 * 8 * 37
    # A signal of zeros is one of zeros: what the zero point adds is taken away to the last bit.
    silent = nd.verify(nd.simulate(built.graph, x[:, :1]), nd.simulate(built, x[:, :1]))
    assert silent.equal, silent.summary()


# --- what it is worth ---------------------------------------------------------------------

STEPS, HIDDEN, TAU = 8, 40, 4e-3


@dataclass
class Trained:
    """A network of images in 0 to 1, and test images (B, 64) with their labels."""

    net: nn.Sequential
    images: np.ndarray
    labels: np.ndarray

    def of(self, scale: float, shift: float) -> tuple[nn.Sequential, np.ndarray]:
        """The same network trained on scale * image + shift, and such images held for all steps: (T, B, 64)."""
        net = network()
        net.load_state_dict(self.net.state_dict())
        first: Any = net[0]
        with torch.no_grad():
            first.bias -= first.weight.sum(dim=1) * shift / scale
            first.weight /= scale
        return net, np.repeat((scale * self.images + shift)[None].astype(np.float32), STEPS, axis=0)


def network() -> nn.Sequential:
    lif = {"tau": TAU, "r": TAU / digits.DT, "dt": digits.DT}
    return nn.Sequential(nn.Linear(64, HIDDEN), LIF(**lif), nn.Linear(HIDDEN, 10), LIF(**lif))


@pytest.fixture(scope="module")
def trained() -> Trained:
    data = digits.load()
    train, test = (x.mean(axis=0, dtype=np.float64) for x in (data.train_x, data.test_x))
    torch.manual_seed(0)
    net = network()
    x, y = torch.as_tensor(train, dtype=torch.float32).expand(STEPS, -1, -1), torch.as_tensor(data.train_y)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(12):
        for batch in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            functional.cross_entropy(net(x[:, batch]).sum(dim=0), y[batch]).backward()
            optimizer.step()
    return Trained(net, test, data.test_y)


@pytest.mark.parametrize(
    ("scale", "shift", "said"),
    [
        (1.0, 0.0, {"input_range": (0, 1)}),
        (255.0, 0.0, {"input_range": (0, 255)}),
        (1 / 0.3081, -0.1307 / 0.3081, {"input_range": (-0.4243, 2.8215)}),
        (2.0, -1.0, {"input_range": (-1, 1)}),
        (2.0, -1.0, {"input_range": (-1, 1), "input_scale": 0.01}),
    ],
    ids=["0 to 1", "0 to 255", "mean and deviation", "-1 to 1", "steps"],
)
def test_images_are_worth_what_they_were(
    trained: Trained, target: Target, board: Device, tmp_path: Path, scale: float, shift: float, said: dict[str, Any]
) -> None:
    net, x = trained.of(scale, shift)
    nd.export_to_nir(net, torch.zeros(STEPS, 1, 64), tmp_path / "net.nir", dt=digits.DT)
    built = nd.build(tmp_path / "net.nir", target, **said)
    reference, quantized = nd.simulate(tmp_path / "net.nir", x), nd.simulate(built, x)
    float_accuracy, accuracy = (nd.accuracy(record, trained.labels) for record in (reference, quantized))
    assert float_accuracy > 0.9
    assert accuracy >= float_accuracy - 0.01
    few = x[:, :40]
    nd.flash(built, board)
    verdict = nd.verify(nd.simulate(built, few), nd.run(board, few, image=built.image))
    assert verdict.equal, verdict.summary()
    assert verdict.cells == STEPS * 40 * (HIDDEN + 10)
    explanation = nd.explain(built.graph, built.network, few, trained.labels[:40])
    alone = {cause.rounding: sum(cause.differing.values()) for cause in explanation.causes}
    assert alone["state"] <= 0.02 * verdict.cells
    assert "input" in alone
