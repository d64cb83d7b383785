"""Law: networks as people train them, with pools, batch norms and any dialect, run on the RTL as in integers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nirdeploy.backends.fpga.simulated import rtl
from nirdeploy.proof.verify import verify
from nirdeploy.sim import integer
from nirdeploy.targets import fitting
from tests import fpga, hardware, networks, trained
from tests.conftest import examples

pytestmark = [pytest.mark.law, pytest.mark.xdist_group("rtl")]
FABRICS = ("three cores, wide update", "two compact cores")


@pytest.fixture(scope="module", params=FABRICS, ids=lambda name: name.replace(" ", "-"))
def fabric(request: pytest.FixtureRequest) -> Iterator[rtl.Fabric]:
    with fpga.unkind(hardware.fabric(request.param)) as made:
        yield made


# 100 on each of two kinds of hardware: 200 networks; 1,000 in make fuzz.
@settings(max_examples=examples(100))
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_trained_networks_run_as_integers(fabric: rtl.Fabric, data: st.DataObject, seed: int) -> None:
    graph = data.draw(trained.networks(2**fabric.target.hardware.spike_planes - 1))
    fit = fitting.fit(graph, fabric.target)
    assume(fpga.in_one_pass(fit))
    assert fit.network is not None
    x = networks.stimulus(graph, seed)
    image = fpga.packed(fit, fabric.target)
    fabric.load(image)
    expected, measured = integer.simulate(fit.network, x), fabric.run(image, x)
    verdict = verify(expected, measured, allow_silent=True)
    assert verdict.equal, verdict.summary()
    assert measured.stats["saturations"] == expected.stats["saturations"]
