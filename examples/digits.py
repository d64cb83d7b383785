"""Handwritten digits, from training to spikes on the virtual board, with the Python API.

    python examples/digits.py

To export the untrained network from the command line instead:

    nirdeploy export examples/digits.py:network --input-shape 16,1,64 -o digits.nir
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

import nirdeploy as nd
from nirdeploy.cli.demo_ import digits

network = digits.network


def main() -> None:
    data = digits.load()
    net = digits.train(data)
    x, labels = data.test_x[:, :20], data.test_y[:20]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "digits.nir"
        nd.export_to_nir(net, torch.zeros(x.shape), save_path=model, dt=digits.DT)
        reference = nd.simulate(model, x)
        built = nd.build(model, target="fpga", out=Path(folder) / "build")
        expected = nd.simulate(built, x)
        with nd.open_device("virtual", target="fpga") as device:
            nd.flash(built, device)
            measured = nd.run(device, x)
    print(nd.verify(expected, measured).summary())
    for record in (reference, expected, measured):
        print(f"accuracy, {record.source}: {nd.accuracy(record, labels):.3f}")


if __name__ == "__main__":
    main()
