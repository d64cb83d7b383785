"""The demo, whole: what ``make demo`` promises, held."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import published

pytestmark = pytest.mark.xdist_group("default-board")


def test_demo_proves_every_spike(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nirdeploy", "demo", "--json", "--out", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    published.validate(found, "demo")
    assert found["images"] == 360
    assert found["mismatches"] == 0
    assert found["equal"] is True
    assert found["first_divergence"] is None
    assert found["spikes_compared"] == 360 * 16 * (96 + 10)
    accuracy = found["accuracy"]
    assert set(accuracy) == {"float", "integer", "device"}
    assert accuracy["device"] == accuracy["integer"]
    assert accuracy["float"] - accuracy["device"] <= 0.01
    assert accuracy["float"] > 0.95
    assert 100 < found["cycles_per_inference"] < 10_000
    assert 0.5 < found["link_efficiency"] <= 1
    assert "no regression" in found["regression"]
    page = Path(found["report"]).read_text()
    assert "device equals integer" in page
    assert "rounding, alone" in page
    # A second demo in the same folder finds its golden again.
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["accuracy"] == accuracy
