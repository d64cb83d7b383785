"""Networks as images of the gather cores."""

from __future__ import annotations

from nirdeploy.backends.fpga.placement import place
from nirdeploy.backends.fpga.simulated import rtl
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets import registry
from nirdeploy.targets.emit import Artifacts, emit
from nirdeploy.targets.fit import Fit
from nirdeploy.targets.image import Image
from nirdeploy.targets.tables import Target


def placed(network: IntegerNetwork, target: Target) -> Fit:
    """A network in integers, whatever it was made of. Raises :class:`nirdeploy.errors.DoesNotFit`."""
    return Fit((), network, *place(network, target))


def packed(fit: Fit, target: Target) -> Image:
    assert fit.network is not None
    assert fit.placement is not None
    return registry.backend_of(target).pack(fit.network, fit.placement, fit.plan, {}, target, {})


def in_one_pass(fit: Fit) -> bool:
    """Whether the cores hold it as a whole."""
    return fit.placement is not None and not fit.placement.passes


def unkind(target: Target) -> rtl.Fabric:
    """A chip where a read of the address that is written in the same cycle gives the inverse of what is there.

    Block RAMs differ in what such a read gives, so that nothing may depend on it.
    """
    written, made = emit(target), Artifacts()
    for name, text in written.items():
        if name == "rtl/ram.v":
            before, reads, after = text.partition(b"rdata <= mem[raddr]")
            assert reads
            text = before + b"rdata <= we && waddr == raddr ? ~mem[raddr] : mem[raddr]" + after
        made.add(name, text)
    return rtl.Fabric(target, made)
