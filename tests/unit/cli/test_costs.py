"""What a network costs, in plain lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from nirdeploy.cli import costs
from nirdeploy.graph import file as nirfile
from tests import networks
from tests.unit.cli.conftest import Cli


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({}, []),
        ({"cycles": 7, "step_us": 2.0}, []),
        (
            {"weight_rows": 2880, "row_places": 960, "together": "lif1 by 4"},
            ["weight rows: 2,880 in 960 places, as those of few bits stand together: lif1 by 4"],
        ),
        (
            {"image_bytes": 1234, "image_s": 0.0041, "step_us": 343.4, "link_us": 12.0},
            [
                "load: 1,234 bytes of image, 4.1 ms on the line, once",
                "step: 12 us on the line and 343 us on the cores for each sample where 10% of neurons and inputs spike;"
                " the cores set the pace",
            ],
        ),
        (
            {"passes": 1061, "image_bytes": 20_000_000, "image_s": 1200.0, "step_us": 4.0e6, "link_us": 7.2e10},
            [
                "passes: 1,061, as the network is larger than the chip: each is loaded and played over the whole batch,"
                " the host keeps the spikes between them",
                "load: 20,000,000 bytes of images, 20 min on the line, once for a batch",
                "step: 20 h on the line and 4 s on the cores for each sample where 10% of neurons and inputs spike, all"
                " passes together; the line sets the pace",
            ],
        ),
        (
            {
                **{"passes": 117, "image_bytes": 13_000_000, "image_s": 65.0, "step_us": 4000.0, "link_us": 9e5},
                **{"external_bytes": 13_500_000, "external_s": 67.5, "external_steps": 327, "external_step_bytes": 110},
                **{"external_step_us": 550.0, "play_us": 9000.0, "play_load_us": 160_000.0},
            },
            [
                "passes: 117, as the network is larger than the chip: each is loaded and played over the whole batch,"
                " by the board",
                "external memory: 13,500,000 bytes of images and program go there, 67.5 s on the line, once; it holds"
                " 327 steps of samples beside them",
                "board: 9 ms for a step of a sample, all passes together, and 110 bytes of it over the line, 550 us;"
                " 160 ms to load the passes, once for a batch",
                "where the host plays the passes instead:",
                "load: 13,000,000 bytes of images, 65 s on the line, once for a batch",
                "step: 900 ms on the line and 4 ms on the cores for each sample where 10% of neurons and inputs spike,"
                " all passes together; the line sets the pace",
            ],
        ),
    ],
)
def test_lines(figures: dict[str, float | str], told: list[str]) -> None:
    assert costs.lines(figures, 0.1) == told


def test_build_and_estimate_say_the_same(cli: Cli, tmp_path: Path) -> None:
    for name, sizes, passes in (("one", (20, 30, 5), 0), ("many", (3000, 200, 10), 1)):
        nirfile.write(tmp_path / "m.nir", networks.two_layers(sizes=sizes))
        built = cli("build", tmp_path / "m.nir", "-o", tmp_path / name).out.splitlines()
        judged = cli("estimate", tmp_path / "m.nir", "-t", "fpga").out.splitlines()
        for kind in (["passes"] * passes) + ["load", "step"]:
            (line,) = (line for line in built if line.startswith(f"{kind}: "))
            assert line in judged
        figures = cli("estimate", tmp_path / "m.nir", "-t", "fpga", "--json").json["targets"][0]["figures"]
        data = cli("build", "-o", tmp_path / name, "--from", "emit", "--json").json
        assert data["costs"] == figures
        assert ("passes" in figures) == bool(passes)
