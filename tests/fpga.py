"""Networks as images of the gather cores."""

from __future__ import annotations

from nirdeploy.backends.fpga.placement import place
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets import registry
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
