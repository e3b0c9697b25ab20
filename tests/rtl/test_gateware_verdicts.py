"""One verdict a frame: the conjunction of all inputs, a copy for every output; what kills it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.gateware.verdicts import Verdicts

from .bench import Sink, Source, simulate
from .mutations import CHECK, Mutation, label, survives

QUIET = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
FOUND = (
    st.integers(1, 3).flatmap(
        lambda inputs: st.lists(
            st.lists(st.sampled_from([1, 1, 0]), min_size=6, max_size=6),
            min_size=inputs,
            max_size=inputs,
        )
    ),
    st.integers(1, 3),
    st.sampled_from([(0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.4, 0.4)]),
    st.integers(0, 2**32),
)


def check(verdicts: list[list[int]], outputs: int, pauses: tuple[float, float], seed: int) -> None:
    """Every output gets the conjunction, frame by frame."""
    design = Verdicts(len(verdicts), outputs)
    run = simulate(
        design,
        [Source(getattr(design, f"i{k}"), sent, pauses[0]) for k, sent in enumerate(verdicts)],
        [Sink(getattr(design, f"o{k}"), 6, pauses[1]) for k in range(outputs)],
        seed=seed,
        limit_cycles=400,
    )
    wanted = [int(all(sent[k] for sent in verdicts)) for k in range(6)]
    assert all(sink.payloads == wanted for sink in run.sinks)


def check_eager() -> None:
    """An output takes its verdict while another is not ready; the next only after all took it."""
    design = Verdicts(2, 2)
    run = simulate(
        design,
        [Source(getattr(design, f"i{k}"), [1, 0]) for k in range(2)],
        [Sink(design.o0, 2), Sink(design.o1, 2, awake=lambda cycle: cycle >= 9)],
        limit_cycles=50,
    )
    assert run.sinks[0].cycles == [0, 10]
    assert run.sinks[1].cycles == [9, 10]


def check_patient() -> None:
    """An output that is ready long before the verdict is known still gets it."""
    design = Verdicts(1, 2)
    run = simulate(
        design,
        [Source(design.i0, [1, 0], start_cycle=5)],
        [Sink(design.o0, 2), Sink(design.o1, 2, awake=lambda cycle: cycle >= 9)],
        limit_cycles=50,
    )
    assert [sink.payloads for sink in run.sinks] == [[1, 0], [1, 0]]


@QUIET
@given(*FOUND)
def test_every_output_gets_the_conjunction(verdicts, outputs, pauses, seed):
    check(verdicts, outputs, pauses, seed)


def test_outputs_take_it_when_they_are_ready():
    check_eager()


def test_outputs_wait_for_the_verdict():
    check_patient()


@CHECK
@given(*FOUND)
def checked(verdicts, outputs, pauses, seed):
    check(verdicts, outputs, pauses, seed)


@pytest.mark.parametrize(
    "mutation",
    [
        Mutation("verdicts", *pair)
        for pair in [
            ("verdict.valid for verdict in ins).all()", "verdict.valid for verdict in ins).any()"),
            ("payload for verdict in ins).all()", "payload for verdict in ins).any()"),
            ("out.valid.eq(known & ~taken[index])", "out.valid.eq(known)"),
            ("done[index].eq(taken[index] | out.ready)", "done[index].eq(out.ready)"),
            ("verdict.ready.eq(known & done.all())", "verdict.ready.eq(done.all())"),
            ("verdict.ready.eq(known & done.all())", "verdict.ready.eq(known)"),
            ("Mux(done.all(), 0, done)", "done"),
            ("with m.If(known):", "with m.If(1):"),
        ]
    ],
    ids=label,
)
def test_mutations_are_killed(mutation):
    assert not survives(mutation, (checked, check_eager, check_patient))
