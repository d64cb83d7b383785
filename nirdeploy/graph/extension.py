"""extension: nodes that NIR 1.0 has no word for.

A file names them with this package in front (``nirdeploy.MaxPool2d``), a type that no other reader knows: each of
them refuses the file, none reads it as something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nir
import numpy as np

_PREFIX = "nirdeploy."


class _Extension(nir.NIRNode):  # type: ignore[misc]
    """A node whose type in a file is its class's name behind the package's."""

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "type": file_type(type(self))}

    @classmethod
    def from_dict(cls, kwargs: dict[str, Any]) -> _Extension:
        assert kwargs["type"] == file_type(cls)
        return cls(**{key: value for key, value in kwargs.items() if key != "type"})


@dataclass(eq=False)
class MaxPool2d(_Extension):
    """The largest value of each window of a channel; what ``padding`` adds is below every value.

    ``kernel_size``, ``stride`` and ``padding`` (height, width), as NIR's SumPool2d has them.
    """

    kernel_size: np.ndarray
    stride: np.ndarray
    padding: np.ndarray

    def __post_init__(self) -> None:
        self.input_type = {"input": None}
        self.output_type = {"output": None}


@dataclass(eq=False)
class ConvTranspose2d(_Extension):
    """A transposed convolution, as torch has it: ``weight`` (channels in, channels out / groups, height, width).

    ``stride``, ``padding``, ``output_padding`` and ``dilation`` (height, width); ``bias`` (channels out,). Upsampling
    to the nearest is one of ones, channel by channel, whose stride is its kernel.
    """

    weight: np.ndarray
    stride: np.ndarray
    padding: np.ndarray
    output_padding: np.ndarray
    dilation: np.ndarray
    groups: int
    bias: np.ndarray

    def __post_init__(self) -> None:
        self.input_type = {"input": None}
        self.output_type = {"output": None}


def file_type(kind: type[nir.NIRNode]) -> str:
    """What a file calls a kind of node."""
    return (_PREFIX if issubclass(kind, _Extension) else "") + str(kind.__name__)
