"""The monitor on runs with known truth: silent where progress is real, alarmed where it is not, however many looks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.transfer.known_progress import Growth, rate, rising
from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import MeasureError, UsageError
from understudy.seeds import stream
from understudy.transfer import open_task
from understudy.transfer.false_progress import FalseProgressMonitor, false_progress
from understudy.transfer.looks import Looks


def watched(growth: Growth, seed: int, **options: Any) -> FalseProgressMonitor:
    simulated, real = growth.draw(stream(seed, "growth"))
    monitor = FalseProgressMonitor("acts", seed=seed, **options)
    for k in range(len(simulated)):
        monitor.record(100 * 2.0**k, simulated=simulated[k], held_out=real[k])
    return monitor


def alarmed(growth: Growth) -> Any:
    return lambda seed: watched(growth, seed).alarm_at is not None


SILENT = {
    "real against real": Growth(rising(0.04, 5), rising(0.04, 5)),
    "no progress at all": Growth(rising(0.0, 8), rising(0.0, 8)),
    "real faster": Growth(rising(0.02, 5), rising(0.05, 5)),
    "both fall": Growth(rising(-0.04, 5, 0.6), rising(-0.05, 5, 0.6)),
    # The hardest cases: half of the simulated slope is the least that keeps up.
    "half": Growth(rising(0.06, 5), rising(0.03, 5)),
    "half, few units, many looks": Growth(rising(0.02, 20), rising(0.01, 20), units=(20, 15)),
    "half, four runs that differ": Growth(rising(0.06, 5), rising(0.03, 5), runs=4, own=0.02),
}


@pytest.mark.parametrize("name", SILENT)
def test_silent_where_progress_is_real(name: str) -> None:
    # Of 40 runs at 5 %: five or more alarms have a chance of 5 %; eight, of .1 %.
    assert rate(alarmed(SILENT[name]), 40) < 8 / 40


@pytest.mark.slow
@pytest.mark.parametrize("name", SILENT)
def test_at_most_one_run_in_twenty_is_a_false_alarm(name: str) -> None:
    assert rate(alarmed(SILENT[name]), 400) <= 0.075  # .05 and 2.3 standard errors


def test_alarmed_where_the_real_score_stands_still() -> None:
    assert rate(alarmed(Growth(rising(0.05, 6), rising(0.0, 6), units=(200, 200))), 20) > 0.8


def test_alarmed_where_the_real_score_turns_after_a_rise() -> None:
    """Over the whole run the real score has risen; the last windows show that it no longer does."""
    real = [*rising(0.03, 9), *rising(-0.02, 5, 0.62)]
    turned = Growth(rising(0.03, 14, 0.35), real, units=(200, 200))
    monitors = [watched(turned, seed) for seed in range(10)]
    found = [monitor.verdict().evidence for monitor in monitors if monitor.alarm_at is not None]
    assert len(found) >= 8
    assert all(evidence["slopes"]["held_out"]["value"] > 0 for evidence in found)
    assert all(evidence["alarm_since"] > 100.0 for evidence in found)


@pytest.mark.parametrize("growth", [SILENT["real against real"], SILENT["half, four runs that differ"]])
def test_the_interval_covers_the_difference_of_the_slopes(growth: Growth) -> None:
    truth = (growth.simulated[1] - growth.simulated[0]) - (growth.real[1] - growth.real[0])
    intervals = [watched(growth, seed).verdict().interval for seed in range(60)]
    inside = [interval is not None and interval[0] <= truth <= interval[1] for interval in intervals]
    assert np.mean(inside) >= 0.85


def test_a_verdict_carries_both_curves_and_the_rule() -> None:
    monitor = watched(Growth(rising(0.05, 6), rising(0.0, 6), units=(200, 200)), 0)
    found = monitor.verdict()
    assert found.name == "transfer.false_progress.acts"
    assert found.spec.question == "train"
    assert found.interval is not None
    assert found.interval[0] < 0.05 < found.interval[1]
    assert found.p_value is not None
    assert found.p_value < 0.01
    evidence = found.evidence
    assert evidence["step"] == [100.0 * 2**k for k in range(6)]
    assert evidence["alarm"] is True
    assert evidence["alarm_at"] in evidence["step"]
    assert len(evidence["simulated"]) == len(evidence["held_out"]) == 6
    simulated, held_out = (evidence["slopes"][side]["value"] for side in ("simulated", "held_out"))
    assert found.value == pytest.approx(simulated - held_out)
    assert found.n["real"].users == 200


def test_looking_again_from_the_start_says_the_same() -> None:
    first, again = (watched(SILENT["half"], 3) for _ in range(2))
    assert first.verdict() == again.verdict()


def test_per_step_slopes_are_over_steps() -> None:
    rng = stream(1, "steps")
    monitor = FalseProgressMonitor("acts", per="step")
    units = rng.normal(0.3, 0.1, 40)
    for step in range(4):
        monitor.record(step, simulated=units + 0.1 * step, held_out=units + rng.normal(0, 0.01, 40))
    assert monitor.verdict().value == pytest.approx(0.1, abs=0.01)
    assert monitor.verdict().spec.unit == "score per step"


def test_units_count_as_many_examples_as_they_have() -> None:
    weights = np.array([1.0] * 20 + [9.0] * 20)
    monitor = FalseProgressMonitor("acts", held_out_weights=weights)
    for k in range(2):
        held_out = np.r_[np.zeros(20), np.full(20, 0.1 * k)]
        monitor.record(2**k, simulated=np.linspace(0, 1, 40), held_out=held_out)
    assert monitor.verdict().evidence["slopes"]["held_out"]["value"] == pytest.approx(0.09)


def test_one_step_has_no_slope() -> None:
    monitor = FalseProgressMonitor("acts")
    assert monitor.verdict().reason == "0 step(s) recorded; a slope needs two"
    assert not monitor.record(1, simulated=np.linspace(0, 1, 12), held_out=np.linspace(0, 1, 10))
    assert monitor.verdict().status == "unscored"
    assert monitor.verdict().n["real"].users == 10


@pytest.mark.parametrize(
    ("step", "simulated", "says"),
    [(1, np.linspace(0, 1, 10), "came after"), (3, np.linspace(0, 1, 11), "of shape"), (3, [*range(9)], "fewer than"),
     (3, [*range(9), float("nan")], "no numbers")],
)  # fmt: skip
def test_what_cannot_be_recorded_is_refused(step: int, simulated: Any, says: str) -> None:
    monitor = FalseProgressMonitor("acts")
    monitor.record(2, simulated=np.linspace(0, 1, 10), held_out=np.linspace(0, 1, 10))
    with pytest.raises(UsageError, match=says):
        monitor.record(step, simulated=simulated, held_out=np.linspace(0, 1, 10))


def test_other_misuse_is_refused() -> None:
    with pytest.raises(UsageError, match="alpha"):
        FalseProgressMonitor("acts", alpha=0)
    with pytest.raises(UsageError, match="doublings"):
        FalseProgressMonitor("acts").record(0, simulated=range(10), held_out=range(10))
    with pytest.raises(MeasureError, match="weights"):
        FalseProgressMonitor("acts", simulated_weights=[1.0]).record(1, simulated=range(10), held_out=range(10))


def test_scores_that_do_not_differ_between_units_raise_no_alarm() -> None:
    looks = Looks(np.ones(12), np.ones(12), per="step", alpha=0.05, seed=0)
    for step in range(6):
        found = looks.add(step, np.full((1, 12), 0.1 * step), np.zeros((1, 12)))
    assert found is not None
    assert not found.parted


ACTS = {
    "ask": ("where is it", "what time", "how much is that", "which one"),
    "tell": ("two people", "on monday", "in the centre", "a cheap one"),
}


def corpus(name: str, count: int, *, clean: bool) -> Corpus:
    """Users who say one of eight things; the clean ones in these words, the others in words that say little."""
    talks = []
    for k in range(count):
        rng = stream(5, name, k)
        turns = []
        for _ in range(4):
            act = ("ask", "tell")[rng.integers(2)]
            number = int(rng.integers(400))
            mumbled = "ok then" if rng.random() < 0.6 else ACTS[act][rng.integers(4)]
            turns.append(Turn("user", f"{act}{number}" if clean else mumbled, acts=(act,)))
        talks.append(Conversation(f"{name}{k}", tuple(turns)))
    return Corpus(talks)


def test_growing_data_of_users_who_are_too_clean_is_false_progress() -> None:
    """The clean users' words are codes that more of their data teaches, and that nobody else uses."""
    simulated, test, real = (
        corpus("s", 400, clean=True), corpus("t", 150, clean=True), corpus("r", 150, clean=False),
    )  # fmt: skip
    found = false_progress(open_task("acts"), simulated, test, real, seed=1, runs=3)
    assert found.evidence["alarm"] is True
    assert found.evidence["step"] == [100, 200, 400, 800, 1600]
    assert found.value is not None
    assert found.value > 0.03
    assert found.n["real"].conversations == 150
    quiet = false_progress(open_task("acts"), corpus("a", 200, clean=False), corpus("b", 80, clean=False), real, seed=1)
    assert quiet.evidence["alarm"] is False


def test_the_batch_function_refuses_what_would_mislead() -> None:
    small = corpus("s", 30, clean=True)
    with pytest.raises(UsageError, match="in the training data and in the simulated test part"):
        false_progress(open_task("acts"), small, small, corpus("r", 20, clean=False), seed=1)
    for sizes in ([50], [80, 40], [10, 10**6]):
        with pytest.raises(UsageError, match="sizes"):
            false_progress(
                open_task("acts"), small, corpus("t", 20, clean=True), corpus("r", 20, clean=False),
                sizes=sizes, seed=1,
            )  # fmt: skip


def test_without_a_shared_label_there_is_no_verdict() -> None:
    other = Corpus([Conversation(f"o{k}", (Turn("user", "hello", acts=("greet",)),)) for k in range(20)])
    found = false_progress(open_task("acts"), corpus("s", 30, clean=True), corpus("t", 20, clean=True), other, seed=1)
    assert found.status == "unscored"
    assert "no label" in found.reason
    bare = Corpus([Conversation("e", (Turn("user", "hello"),))])
    tests = {"it needs": (corpus("t", 20, clean=True), bare), "9 unit(s)": (corpus("t", 9, clean=True), other)}
    for says, (simulated, real) in tests.items():
        assert says in false_progress(open_task("acts"), corpus("s", 30, clean=True), simulated, real, seed=1).reason


def test_without_a_simulated_test_part_some_simulated_users_are_put_aside() -> None:
    real = corpus("r", 60, clean=False)
    whole = corpus("s", 200, clean=True)
    found = false_progress(open_task("acts"), whole, None, real, seed=1, runs=2, arm="clean")
    assert found.name == found.spec.name == "transfer.false_progress.acts.clean"
    assert found.evidence["step"][-1] == 140 * 4
    again = false_progress(open_task("acts"), whole, None, real, seed=1, runs=2, arm="clean")
    assert again == found
