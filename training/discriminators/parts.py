"""What the published discriminators share: scaled channels, normalised convolutions and their start."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from streamvc.training.losses.adversarial import Judgement


def scaled(channels: int, width: float, multiple: int = 1) -> int:
    """Channels times `width`, to the nearest multiple, and at least one of it."""
    return max(1, round(channels * width / multiple)) * multiple


def initialise(module: nn.Module, slope: float) -> None:
    """Give every convolution a Kaiming start for leaky ReLU, and those that give logits a smaller one.

    PyTorch's own start lets signals fade from layer to layer, and discriminators then learn nothing for long
    (docs/experiments.md). Do this before weights are normalised.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=slope)
            if layer.out_channels == 1:
                layer.weight.data *= 0.3
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)


def normalise(module: nn.Module) -> None:
    """Put weight normalisation (Salimans and Kingma 2016) on every convolution, which changes no output."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            weight_norm(layer)


def judge(x: Tensor, layers: nn.ModuleList, last: nn.Module, slope: float) -> Judgement:
    """Layers with leaky ReLU after each, all of whose outputs are kept, and the logits."""
    inner = []
    for layer in layers:
        x = F.leaky_relu(layer(x), slope)
        inner.append(x)
    return last(x), inner
