"""The suite for measures is tested on what it must catch."""

import msgspec
import numpy as np
import pytest

from understudy.measures.measurement import Estimate, Measurement, MeasureSpec, counts, unscored
from understudy.testing.checks import failures
from understudy.testing.measures import check_measure, example_corpora

SPEC = MeasureSpec("example.length", "real", "as long?", "turns", (-50.0, 50.0), "match", "example")


def length(corpus):
    return float(np.mean([len(talk.turns) for talk in corpus]))


def good(real, synthetic, *, rng, **changes):
    for side in (real, synthetic):
        if len(side) < 10 or not any(t.text.strip() for c in side for t in c.turns if t.role == "user"):
            return unscored(SPEC, real, synthetic, "too little")
    given = {
        "name": SPEC.name, "value": length(synthetic) - length(real), "status": "scored",
        "n": counts(real, synthetic), "spec": SPEC, "p_value": 0.5, **changes,
    }  # fmt: skip
    return Measurement(**given)


def declared(function, spec=SPEC):
    def run(real, synthetic, *, rng):
        return function(real, synthetic, rng=rng)

    run.spec = spec
    return run


def caught(function, spec=SPEC):
    return set(failures(check_measure(declared(function, spec))))


def changed(**changes):
    return lambda real, synthetic, *, rng: good(real, synthetic, rng=rng, **changes)


def test_a_good_measure_passes():
    assert caught(good) == set()


def part(name):
    return (Measurement(name=name, value=1.0, status="scored", n={"real": None, "synthetic": None}, spec=SPEC),)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "another.name"},
        {"value": 51.0},
        {"p_value": 0.0},
        {"p_value": 1.5},
        {"interval": (2.0, 1.0)},
        {"interval": (0.0, float("inf"))},
        {"floor": Estimate(float("nan"))},
        {"n": {"real": None}},
        {"parts": part("another.part")},
    ],
)
def test_unsound_measurements(changes):
    assert "returns a measurement" in caught(changed(**changes))


UNSOUND = [
    {"name": "flat"}, {"name": "a."}, {"unit": " "}, {"source": ""}, {"asks": ""}, {"range": (1.0, 0.0)},
    {"minimum_units": 0},
]  # fmt: skip


@pytest.mark.parametrize("change", UNSOUND)
def test_unsound_declarations(change):
    assert "declares itself" in caught(good, msgspec.structs.replace(SPEC, **change))


def test_hidden_randomness():
    loose = np.random.default_rng(0)
    assert "repeats itself exactly" in caught(lambda r, s, *, rng: good(r, s, rng=rng, value=loose.random()))

    def touching(real, synthetic, *, rng):
        np.random.random()  # noqa: NPY002 - what the check must see
        return good(real, synthetic, rng=rng)

    assert caught(touching) == {"leaves its surroundings alone"}


def test_numbers_from_too_little():
    def eager(real, synthetic, *, rng):
        value = length(synthetic) - length(real) if len(real) and len(synthetic) else 0.0
        return Measurement(name=SPEC.name, value=value, status="scored", n=counts(real, synthetic), spec=SPEC)

    assert caught(eager) == {"is unscored on too little"}


def test_english_only():
    def english(real, synthetic, *, rng):
        words = sum("a" in turn.text for talk in real for turn in talk.turns)
        return good(real, synthetic, rng=rng, value=1 / words)

    assert caught(english) == {"survives odd corpora"}


def test_a_difference_between_equals():
    assert caught(changed(p_value=0.001)) == {"finds real like real"}


def test_reading_ids():
    def nosy(real, synthetic, *, rng):
        return good(real, synthetic, rng=rng, value=float("real" in real[0].id) if len(real) else 0.0)

    assert "does not read ids" in caught(nosy)


def test_evidence_that_cannot_be_written():
    assert "can be reported" in caught(changed(evidence={"f": print}))


def test_the_example_corpora_are_real_enough():
    real, synthetic = example_corpora()
    again, _ = example_corpora()
    assert real.digest == again.digest != synthetic.digest
    assert real.has_users
    assert len(real) == 60
    hedged = [sum("maybe" in t.text for c in side for t in c.turns) for side in (real, synthetic)]
    assert hedged[0] > 10
    assert hedged[1] == 0
    assert sum("maybe" in t.text for c in example_corpora(alike=True)[1] for t in c.turns) > 10
