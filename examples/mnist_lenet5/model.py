"""LeNet-5 as in E3NE: 1x32x32: 6C5-P2-16C5-P2-120C5-84-10, no bias, 61,470 weights."""

from collections import OrderedDict

from torch import nn

BOUND = 15 / 16  # 15 levels of 1/16: a radix edge of 4 bits whose unit is a power of two


def net() -> nn.Module:
    """MNIST images (batch, 1, 32, 32) in 0 .. 1 to class scores (batch, 10)."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 6, 5, bias=False),
            clip1=nn.Hardtanh(0.0, BOUND),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 16, 5, bias=False),
            clip2=nn.Hardtanh(0.0, BOUND),
            pool2=nn.MaxPool2d(2),
            conv3=nn.Conv2d(16, 120, 5, bias=False),
            clip3=nn.Hardtanh(0.0, BOUND),
            flatten=nn.Flatten(),
            linear1=nn.Linear(120, 84, bias=False),
            clip4=nn.Hardtanh(0.0, BOUND),
            linear2=nn.Linear(84, 10, bias=False),
        )
    )
