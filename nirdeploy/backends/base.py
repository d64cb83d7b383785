"""What a backend does; every hook has a default that the target's TOML file drives."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from nirdeploy.errors import TargetFileError
from nirdeploy.image import Image
from nirdeploy.network import IntegerNetwork
from nirdeploy.place import Placement
from nirdeploy.target import Target


class Backend:
    """Hooks of one family of targets."""

    def context(self, target: Target) -> Mapping[str, Any]:
        """Variables of the templates."""
        return {"target": target, "formats": target.formats, "hardware": target.hardware, "board": target.board}

    def pack(
        self, network: IntegerNetwork, placement: Placement, target: Target, provenance: Mapping[str, Any]
    ) -> Image:
        """The device's memories for a placed network."""
        raise TargetFileError(f"the backend {target.backend!r} cannot pack images", where=target.name)


def load(target: Target) -> Backend:
    """The backend that a target file names: module ``nirdeploy.backends.<name>`` with a class ``BACKEND``."""
    try:
        module = importlib.import_module(f"nirdeploy.backends.{target.backend}")
    except ModuleNotFoundError as error:
        raise TargetFileError(f"there is no backend {target.backend!r}", where=f"target {target.name}") from error
    backend = module.BACKEND()
    if not isinstance(backend, Backend):
        raise TargetFileError(f"{target.backend!r} is not a backend", where=f"target {target.name}")
    return backend
