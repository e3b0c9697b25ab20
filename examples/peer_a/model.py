"""Network A of the comparison with peers: 784-128-10 snnTorch `Leaky`, one call a time step."""

from collections import OrderedDict

import snntorch
from torch import nn

DECAY = 0.9375
STEPS = 25


def net() -> nn.Module:
    """Spikes (batch, 784) of one step to (spikes, membrane) of the output, (batch, 10) each.

    The membranes live in the modules between calls; `snntorch.utils.reset` starts a new frame.
    """
    return nn.Sequential(
        OrderedDict(
            linear1=nn.Linear(784, 128, bias=False),
            lif1=snntorch.Leaky(beta=DECAY, init_hidden=True),
            linear2=nn.Linear(128, 10, bias=False),
            lif2=snntorch.Leaky(beta=DECAY, init_hidden=True, output=True),
        )
    )
