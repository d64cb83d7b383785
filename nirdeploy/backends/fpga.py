"""The gather-core FPGA: the signature in its Verilog, and images of its memories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nirdeploy import gather
from nirdeploy.backends.base import Backend
from nirdeploy.image import Image, InputSlot
from nirdeploy.network import IntegerNetwork
from nirdeploy.place import Placement
from nirdeploy.target import Target


class FpgaBackend(Backend):
    """Packs jobs, weights and neuron parameters of every core."""

    def context(self, target: Target) -> Mapping[str, Any]:
        """The defaults, and the signature as the Verilog literal whose lowest byte goes out first."""
        return {
            **super().context(target),
            "signature": target.signature.hex(),
            "signature_reversed": target.signature[::-1].hex(),
        }

    def pack(
        self, network: IntegerNetwork, placement: Placement, target: Target, provenance: Mapping[str, Any]
    ) -> Image:
        return Image(
            target=target.name,
            signature=target.signature.hex(),
            sections=tuple(gather.sections(network, placement, target)),
            inputs=tuple(InputSlot(name, shape, 32 * placement.words[name]) for name, shape in network.inputs),
            input_words=placement.input_words,
            readouts=tuple(gather.readout(population, placement) for population in network.populations),
            outputs=dict(network.outputs),
            dt=network.dt,
            provenance=dict(provenance),
        )


BACKEND = FpgaBackend
