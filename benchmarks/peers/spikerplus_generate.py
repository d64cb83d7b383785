"""Runs with Spiker+ on its path: ``spikerplus_generate.py NETWORK.npz FOLDER`` writes the network's VHDL there."""

from __future__ import annotations

import sys

import numpy as np
import torch
from spikerplus import NetBuilder, VhdlGenerator

given = np.load(sys.argv[1])
weights = [given["hidden"], given["output"]]
layer = {"neuron_model": "lif", "beta": float(given["beta"]), "threshold": 1.0, "reset_mechanism": "subtract"}
fixed = {"learn_beta": False, "learn_threshold": False}
layers = {f"layer_{i}": {**layer, **fixed, "n_neurons": len(weight)} for i, weight in enumerate(weights)}
net = NetBuilder({"n_cycles": int(given["n_cycles"]), "n_inputs": weights[0].shape[1], **layers}).build()
for number, weight in enumerate(weights, 1):
    net.layers[f"fc{number}"].weight.data = torch.tensor(weight, dtype=torch.float32)
bits = {"weights_bw": int(given["weight_bits"]), "neurons_bw": int(given["neuron_bits"])}
generator = VhdlGenerator(net, {**bits, "fp_dec": int(given["fraction_bits"])})
generator.generate(functional=True, interface=False).write_file_all(output_dir=sys.argv[2], rm=True)
