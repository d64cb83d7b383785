"""dynamics: whose neurons step a network, which names them: the one place where the name is looked up."""

from __future__ import annotations

from nirdeploy.errors import CorruptFile
from nirdeploy.integers.dynamics import Dynamics
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets import registry


def dynamics_of(network: IntegerNetwork) -> Dynamics | None:
    """The dynamics of the backend that the network names; None: the reference's neuron.

    Raises:
        TargetFileError: no such backend is installed. CorruptFile: it has no dynamics of its own.
    """
    if not network.dynamics:
        return None
    where = f"a network for target {network.target!r}"
    found = registry.find_backend(network.dynamics, where).dynamics
    if found is None:
        raise CorruptFile(
            f"the neurons of the backend {network.dynamics!r} should step it, which has none of its own",
            where=where,
            hint="build it again",
        )
    return found
