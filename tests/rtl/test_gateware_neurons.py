"""Neuron units equal the reference and keep their cycle formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.ir import (
    ONE,
    Dyadic,
    Integrate,
    IntegrateFire,
    Relay,
    Requantize,
    SpikeType,
    frozen,
)

from .neuron_cases import case, cases

QUIET = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
pauses = st.sampled_from([(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])


@QUIET
@given(cases((Relay, Requantize)), pauses, st.integers(0, 2**32))
def test_relay_and_requantize_equal_the_reference(found, pauses, seed):
    found.check(pauses, seed=seed)


@settings(QUIET, max_examples=120)
@given(cases((IntegrateFire,)), pauses, st.integers(0, 2**32))
def test_integrate_fire_equals_the_reference(found, pauses, seed):
    found.check(pauses, seed=seed)


@QUIET
@given(cases((Integrate,)), pauses, st.integers(0, 2**32))
def test_integrate_equals_the_reference(found, pauses, seed):
    found.check(pauses, seed=seed)
