"""What weights of 8, 4 and 2 bits take of a board: places of weight rows, passes, and bytes of images.

    python benchmarks/packed_rows.py [--target fpga-ulx3s] [--bits 8 --bits conv1=8,4] [digits | MNISTNet | net.nir ...]

Rows of weights of 4 bits stand by two, of 2 bits by four in the place of one (`packed` of the hardware); "alone" is
the same network and bits where each has a place of its own. digits is the demo's network, untrained; MNISTNet is
SpikingJelly's at full width (benchmarks/size_networks.py, which takes PyTorch and SpikingJelly). Nothing is simulated.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nirdeploy.graph import precision
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.targets import registry as targets
from nirdeploy.targets.estimate import Estimate, estimate
from nirdeploy.targets.tables import Target


def graph(name: str) -> CheckedGraph:
    if name == "digits":
        import torch

        import nirdeploy as nd
        from nirdeploy.cli.demo_ import digits

        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "digits.nir"
            nd.export_to_nir(digits.network(), torch.zeros(16, 1, 64), save_path=model, dt=digits.DT)
            return check(model)
    if name.endswith(".nir"):
        return check(Path(name))
    from benchmarks import size_networks

    return check(size_networks.made(name)[0])


def measured(checked: CheckedGraph, target: Target, bits: str) -> Iterator[tuple[str, Estimate]]:
    widths = precision.with_bits(checked, precision.parse(bits))
    for how, packed in (("alone", 0), ("together", 1)):
        yield how, estimate(widths, target.with_hardware(packed=packed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["digits"])
    parser.add_argument("--target", default="fpga-ulx3s")
    parser.add_argument("--bits", action="append", help="as for nirdeploy build; by default 8, 4 and 2")
    options = parser.parse_args()
    target = targets.load(options.target)
    table = Table(title=f"weights of few bits on {target.name}")
    for column in ("network", "bits", "rows stand", "places", "fullest core", "passes", "bytes of images", "cycles"):
        table.add_column(column, justify="right")
    for name, bits in itertools.product(options.networks, options.bits or ["8", "4", "2"]):
        for how, found in measured(graph(name), target, bits):
            fullest = max((core.used["weight_rows"] for core in found.cores), default=0)
            places = found.figures.get("row_places", "")
            told = (found.figures.get(key, 1) for key in ("passes", "image_bytes", "cycles"))
            table.add_row(name, bits, how, *(f"{n:,.0f}" if n != "" else n for n in (places, fullest, *told)))
    Console(width=None if Console().is_terminal else 140).print(table)


if __name__ == "__main__":
    main()
