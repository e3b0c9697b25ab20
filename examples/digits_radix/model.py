"""A convolutional network for 8x8 digits whose edges are 4-bit radix trains."""

from collections import OrderedDict

from torch import nn

BOUND = 15 / 16  # 15 levels of 1/16: a radix edge of 4 bits whose unit is a power of two


def net() -> nn.Module:
    """Digits (batch, 1, 8, 8) in 0 .. 1 to class scores (batch, 10)."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 8, 3, padding=1),
            clip1=nn.Hardtanh(0.0, BOUND),
            conv2=nn.Conv2d(8, 16, 3),
            clip2=nn.Hardtanh(0.0, BOUND),
            pool=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            linear1=nn.Linear(144, 64),
            clip3=nn.Hardtanh(0.0, BOUND),
            linear2=nn.Linear(64, 10),
        )
    )
