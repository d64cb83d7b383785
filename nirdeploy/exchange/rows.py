"""rows: the layers of torch.nn, one row each: what a module does, or why it cannot come in and what would.

A framework's layers that derive from these, and only let time through as well, are the same rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.modules import conv, dropout, instancenorm, padding, pooling

from nirdeploy.errors import ExportError
from nirdeploy.exchange import ops
from nirdeploy.exchange.modules import Scale, SumPool2d
from nirdeploy.exchange.ops import Op
from nirdeploy.exchange.signals import Shape

#: An op, or what gives it once the own shape of the input is known.
Given = Op | Callable[[Shape], Op]

SUPPORTED = (
    "nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.BatchNorm1d, nn.BatchNorm2d, "
    "sum, average, maximum and adaptive pooling in one and two dimensions, nn.ZeroPad1d, nn.ZeroPad2d, nn.Upsample, "
    "nn.Flatten, nn.Unflatten, nn.Identity, every nn.Dropout, sums, products and concatenations of branches, the "
    "modules of nirdeploy.exchange, and the neurons of snnTorch, SpikingJelly, Norse, sinabs and Rockpool"
)


def op_of(module: nn.Module, who: str) -> Given | None:
    """What a stateless module does; None: no row. Raises :class:`ExportError` on an option that has no node."""
    for kinds, make in _ROWS:
        if isinstance(module, kinds):
            return make(module, who)
    return None


def _pool(module: Any, who: str) -> Given:
    """AvgPool1d, AvgPool2d."""
    dims = 1 if isinstance(module, nn.AvgPool1d) else 2
    kernel, padding = ops.sizes(module.kernel_size, dims), ops.sizes(module.padding, dims)
    stride = ops.sizes(module.stride if module.stride is not None else module.kernel_size, dims)
    divisor = getattr(module, "divisor_override", None) or math.prod(kernel)
    if any(padding) and not module.count_include_pad:
        raise ExportError(
            f"{who}: NIR's AvgPool2d counts the padding, count_include_pad=False does not",
            hint="pool without padding, or with count_include_pad=True",
        )
    made = ops.Pool(kernel, stride, padding, 1 / divisor)
    return _ceiled(module, who, made, "AvgPool2d")


def _ceiled(module: Any, who: str, made: Any, kind: str) -> Given:
    def of(shape: Shape) -> Op:
        ops.spatial(shape, len(made.kernel), who)
        ops.fits(who, kind, shape[1:], made, bool(module.ceil_mode))
        found: Op = made
        return found

    return of if module.ceil_mode else made


def _power(module: Any, who: str) -> Given:
    """LPPool of norm 1: the sum of a window."""
    if module.norm_type != 1:
        raise ExportError(f"{who}: NIR has no power pooling of norm {module.norm_type}", hint="norm_type=1 is a sum")
    dims = 1 if isinstance(module, nn.LPPool1d) else 2
    kernel = ops.sizes(module.kernel_size, dims)
    stride = ops.sizes(module.kernel_size if module.stride is None else module.stride, dims)
    return _ceiled(module, who, ops.Pool(kernel, stride, (0,) * dims), "SumPool2d")


def _maximum(module: Any, who: str) -> Given:
    if getattr(module, "return_indices", False):
        raise ExportError(f"{who}: NIR has no indices of maxima", hint="use return_indices=False")
    dims = 1 if isinstance(module, nn.MaxPool1d) else 2
    kernel = ops.sizes(module.kernel_size, dims)
    stride = ops.sizes(module.stride if module.stride is not None else module.kernel_size, dims)
    padding, dilation = ops.sizes(module.padding, dims), ops.sizes(module.dilation, dims)
    return _ceiled(module, who, ops.MaxPool(kernel, stride, padding, dilation), "SumPool2d")


def _normalization(module: Any, who: str) -> Given:
    if module.running_mean is None:
        raise ExportError(
            f"{who}: without running statistics it depends on the batch it sees",
            hint="train it with track_running_stats=True",
        )
    return ops.normalization_of(module)


def _upsample(module: Any, who: str) -> Given:
    def run(x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = nn.functional.interpolate(
            x, module.size, module.scale_factor, module.mode, module.align_corners
        )
        return result

    def nearest(shape: tuple[int, ...]) -> ops.Op:
        large = None if len(shape) != 3 else ops.upsampled(shape, tuple(run(torch.zeros(1, *shape)).shape[1:]))
        return large or ops.Rearranged(run)

    if module.mode in ("nearest", "nearest-exact"):
        return nearest
    return ops.Written(f"{module.mode} upsampling", run, 3 if module.mode in ("bilinear", "bicubic") else 2)


def _zero_pad(module: Any, who: str) -> Given:
    if getattr(module, "value", 0.0) != 0:
        raise ExportError(f"{who}: it pads with {module.value:g}, NIR only with zeros", hint="use nn.ZeroPad2d")
    return ops.Rearranged(lambda x: nn.functional.pad(x, tuple(module.padding)))


def _linear(module: Any, who: str) -> Given:
    return ops.Dense(module.get_weight() if hasattr(module, "get_weight") else module.weight, module.bias)


def _unflatten(module: Any, who: str) -> Given:
    return ops.Rearranged(lambda x: x.unflatten(module.dim, module.unflattened_size))


_ADAPTIVE_MEAN = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
_ADAPTIVE_MAXIMUM = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d)

Row = tuple[tuple[type, ...], Callable[[Any, str], Given]]
_ROWS: tuple[Row, ...] = (
    ((nn.Identity, dropout._DropoutNd), lambda m, who: ops.Same()),
    ((nn.ReLU,), lambda m, who: ops.Same(positive=True)),
    ((nn.Linear,), _linear),
    ((nn.Conv1d, nn.Conv2d), ops.convolution_of),
    ((nn.ConvTranspose1d, nn.ConvTranspose2d), lambda m, who: ops.transposed(m)),
    ((nn.BatchNorm1d, nn.BatchNorm2d), _normalization),
    ((nn.AvgPool1d, nn.AvgPool2d), _pool),
    ((nn.LPPool1d, nn.LPPool2d), _power),
    ((nn.MaxPool1d, nn.MaxPool2d), _maximum),
    (_ADAPTIVE_MEAN, lambda m, who: ops.adaptive_mean(m.output_size, 1 + isinstance(m, nn.AdaptiveAvgPool2d), who)),
    (
        _ADAPTIVE_MAXIMUM,
        lambda m, who: ops.adaptive_maximum(m.output_size, 1 + isinstance(m, nn.AdaptiveMaxPool2d), who),
    ),
    ((nn.ZeroPad1d, nn.ZeroPad2d, nn.ConstantPad1d, nn.ConstantPad2d), _zero_pad),
    ((nn.Upsample,), _upsample),
    ((nn.Flatten,), lambda m, who: ops.Flat(m.start_dim, m.end_dim)),
    ((nn.Unflatten,), _unflatten),
    ((nn.PixelShuffle,), lambda m, who: ops.Rearranged(lambda x: nn.functional.pixel_shuffle(x, m.upscale_factor))),
    (
        (nn.PixelUnshuffle,),
        lambda m, who: ops.Rearranged(lambda x: nn.functional.pixel_unshuffle(x, m.downscale_factor)),
    ),
    ((nn.ChannelShuffle,), lambda m, who: ops.Rearranged(lambda x: nn.functional.channel_shuffle(x, m.groups))),
    ((Scale,), lambda m, who: ops.Times(m.scale.detach().cpu().double().numpy())),
    (
        (SumPool2d,),
        lambda m, who: ops.Pool(ops.sizes(m.kernel_size, 2), ops.sizes(m.stride, 2), ops.sizes(m.padding, 2)),
    ),
)

_BY_SAMPLE = (
    "it normalizes each sample by the sample's own mean and variance, which no weights can say",
    "train with BatchNorm1d or BatchNorm2d, which are fixed numbers at inference; one in front of the whole net can be "
    "left out, and the stimulus normalized",
)
_THREE = ("NIR and the chips have maps of one and two dimensions", "use the layer of two dimensions")
_CURVE = (
    "no node of NIR computes a function of that shape between spikes",
    "put a spiking neuron in its place, or leave it out",
)
_READ_OUT = ("it reads a network out", "leave it out of the net and apply it to what comes out")
_ATTENTION = ("it multiplies signals with each other", "NIR has sums with fixed weights: build it without attention")
_FEEDBACK = ("its gates multiply signals with each other", "use a recurrent spiking neuron")
_PADS = ("it pads with what stands at the edge", "pad with zeros")

_REASONS: tuple[tuple[tuple[type, ...], tuple[str, str]], ...] = (
    (
        (
            nn.GroupNorm,
            nn.LayerNorm,
            nn.LocalResponseNorm,
            nn.RMSNorm,
            nn.CrossMapLRN2d,
            instancenorm._InstanceNorm,
        ),
        _BY_SAMPLE,
    ),
    ((nn.SyncBatchNorm,), ("it is the batch norm of several devices", "convert it back to nn.BatchNorm2d")),
    ((conv._ConvNd, nn.BatchNorm3d, nn.ReflectionPad3d, nn.ReplicationPad3d, nn.ZeroPad3d, nn.ConstantPad3d), _THREE),
    (
        (pooling._AvgPoolNd, pooling._MaxPoolNd, pooling._AdaptiveAvgPoolNd, pooling._AdaptiveMaxPoolNd, nn.LPPool3d),
        _THREE,
    ),
    ((nn.FractionalMaxPool2d, nn.FractionalMaxPool3d), ("its windows are drawn at random", "use nn.MaxPool2d")),
    ((pooling._MaxUnpoolNd,), ("it needs the places of maxima", "use nn.Upsample or nn.ConvTranspose2d")),
    (
        (padding._ReflectionPadNd, padding._ReplicationPadNd, padding._CircularPadNd),
        _PADS,
    ),
    ((nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Softmin, nn.AdaptiveLogSoftmaxWithLoss), _READ_OUT),
    ((nn.modules.loss._Loss,), ("it is a loss, for training", "export the net without it")),
    ((nn.PairwiseDistance, nn.CosineSimilarity), _READ_OUT),
    ((nn.RNNBase, nn.RNNCellBase), _FEEDBACK),
    ((nn.MultiheadAttention, nn.Transformer, nn.TransformerEncoder, nn.TransformerDecoder), _ATTENTION),
    ((nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, nn.Bilinear), _ATTENTION),
    ((nn.Embedding, nn.EmbeddingBag), ("it looks up whole numbers in a table", "feed its rows as inputs")),
    ((nn.Fold, nn.Unfold), ("its patches belong into a convolution", "use nn.Conv2d")),
)


def reason(module: nn.Module) -> tuple[str, str]:
    """Why a module without a row cannot come in, and what would."""
    for kinds, why in _REASONS:
        if isinstance(module, kinds):
            return why
    if type(module).__module__.startswith("torch.nn.modules.activation"):
        return _CURVE
    return "NIR has no node for it", f"supported: {SUPPORTED}"


def is_torch_layer(module: nn.Module) -> bool:
    """Whether it is one of torch.nn's own layers (or derives from one without a forward of its own)."""
    for kind in type(module).__mro__:
        name = kind.__module__
        if name.startswith("torch.nn.modules.") and not name.startswith("torch.nn.modules.container"):
            return kind is not nn.Module
        if "forward" in vars(kind) or kind is nn.Module:
            return False
    return False
