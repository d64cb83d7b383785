"""Registers of a network that a chip's own neurons step, held against what the chip has."""

from __future__ import annotations

from collections.abc import Mapping

from nirdeploy.integers import sound
from nirdeploy.integers.network import IntegerNetwork


def check_registers(network: IntegerNetwork, known: Mapping[str, sound.Register]) -> None:
    """Raises :class:`CorruptFile` where a population has none of these, or others."""
    for population in network.populations:
        sound.registers(network.on_chip(population.name), known)
