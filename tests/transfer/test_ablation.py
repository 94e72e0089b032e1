from itertools import combinations

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import UsageError
from understudy.transfer.ablation import ablate, analyse, as_measurement, cell_name, cells_of, says
from understudy.transfer.arms import ArmScores
from understudy.transfer.dose import dose_curve
from understudy.transfer.task import Examples

LAYERS = ("subtopic", "persona", "context")


def flat(on):
    return 0.25


def additive(on):
    return 0.1 + 0.14 * len(on)


def multiplicative(on):
    return 0.1 * 2.0 ** len(on)


def harmful(on):
    return 0.6 - 0.1 * len(on)


def overlapping(on):
    return 0.6 if on else 0.1


def draw(truth, rng, *, layers=LAYERS, seeds=3, units=120, noise=0.01, redraws=5):
    """Scores of one study. `truth` gives the gap closed of a cell; baseline .3, in-domain .8."""
    sizes = 1 + rng.geometric(0.25, units)
    unit = np.repeat(np.arange(units), sizes)
    hard = rng.normal(0, 0.12, units)[unit]
    luck = rng.random(len(unit))  # an example is easy or hard for every learner
    lift = rng.normal(0, noise, seeds)  # a seed is lucky in all of its cells

    def arm(gap, shift=0.0):
        taste = rng.normal(0, 0.03, units)[unit]
        # A training set's luck and what else training changes about the examples.
        rows = [gap * 0.5 + 0.3 + shift + rng.normal(0, 0.008) + hard + taste for _ in range(redraws)]
        return (np.where(rng.random(len(unit)) < 0.8, luck, rng.random(len(unit))) < np.array(rows)).astype(float)

    scores = {"baseline": arm(0.0), "in_domain": arm(1.0)}
    for cell in cells_of(layers):
        for s in range(seeds):
            scores[f"{cell_name(cell, layers)}@{s}"] = arm(truth(cell), lift[s] + rng.normal(0, noise))
    return ArmScores("t", "accuracy", unit, scores, 100, dict.fromkeys(scores, 0.5), None)


def studies(truth, count, **options):
    rng = np.random.default_rng(11)
    return [
        analyse(draw(truth, rng, **options), layers=LAYERS, averaged=(), seeds=options.get("seeds", 3), rng=rng)
        for _ in range(count)
    ]


def share(found, *verdicts):
    return np.mean([each.verdict in verdicts for each in found])


@pytest.mark.parametrize(
    ("truth", "expected", "at_least"),
    [
        (additive, "additive", 0.7),
        (multiplicative, "multiplicative", 0.9),
        (harmful, "negative", 0.9),
        (overlapping, "negative", 0.9),
    ],
)
def test_the_verdict_finds_the_planted_world(truth, expected, at_least):
    assert share(studies(truth, 15), expected) >= at_least


def test_worlds_without_interaction_are_seldom_said_to_have_one():
    assert share(studies(flat, 20), "multiplicative", "negative", "additive") <= 0.15
    assert share(studies(additive, 20), "multiplicative", "negative") <= 0.15


@pytest.mark.slow
def test_false_verdicts_stay_below_one_in_twenty():
    none = studies(flat, 300)
    assert share(none, "multiplicative", "negative", "additive") <= 0.05
    plus = studies(additive, 300)
    assert share(plus, "multiplicative", "negative") <= 0.05


def _coverage(truth, count, **options):
    found = studies(truth, count, **options)
    true = {}
    for k in (1, 2):
        for subset in combinations(LAYERS, k):
            rest = [cell for cell in cells_of(LAYERS) if not cell & set(subset)]
            inner = [set(some) for some in cells_of(subset)]
            signs = [(-1) ** (k - len(some)) for some in inner]
            true[" x ".join(subset)] = np.mean(
                [sum(s * truth(cell | some) for s, some in zip(signs, inner, strict=True)) for cell in rest]
            )
    hits = [e.low <= true[e.name] <= e.high for each in found for e in each.effects if e.name in true]
    full = [each.full.low <= truth(set(LAYERS)) <= each.full.high for each in found]
    return float(np.mean(hits)), float(np.mean(full))


def test_intervals_of_effects_cover():
    of_effects, of_full = _coverage(multiplicative, 20)
    assert of_effects >= 0.9
    assert of_full >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.04])
def test_intervals_of_effects_cover_in_the_long_run(noise):
    of_effects, of_full = _coverage(multiplicative, 150, noise=noise)
    assert 0.93 <= of_effects <= 0.995  # a unit's taste for an arm is counted in both sources: on the safe side
    assert of_full >= 0.93


def test_a_verdict_says_what_may_be_behind_it():
    overlap, harm = studies(overlapping, 1)[0], studies(harmful, 1)[0]
    assert "overlap" in says(overlap)
    assert "harm" in says(harm)
    full = overlap.full._replace(high=1.1)
    assert "ceiling" in says(overlap._replace(full=full))
    assert "ceiling" not in says(overlap._replace(full=full._replace(high=0.9)))


def test_noise_of_generation_is_in_the_interval():
    quiet, loud = (studies(additive, 10, noise=noise) for noise in (0.0, 0.05))
    width = [np.mean([each.synergy.high - each.synergy.low for each in found]) for found in (quiet, loud)]
    assert width[1] > 1.5 * width[0]


def test_layers_that_are_averaged_take_no_part_in_the_verdict():
    def truth(on):
        return 0.1 + 0.14 * len(on & set(LAYERS)) + 0.2 * ("profile" in on)

    rng = np.random.default_rng(2)
    layers = (*LAYERS, "profile")
    found = analyse(draw(truth, rng, layers=layers), layers=layers, averaged=("profile",), seeds=3, rng=rng)
    assert found.joint.low < 0.42 < found.joint.high
    assert found.verdict == "additive"
    effects = {e.name: e for e in found.effects}
    assert len(effects) == 15
    assert effects["profile"].low < 0.2 < effects["profile"].high
    assert abs(effects["persona x profile"].value) < 0.1


def test_without_a_gap_there_is_nothing_to_ablate():
    rng = np.random.default_rng(0)
    scores = draw(additive, rng)
    scores = scores._replace(scores={**scores.scores, "in_domain": scores.scores["baseline"]})
    found = analyse(scores, layers=LAYERS, averaged=(), seeds=3, rng=rng)
    assert "no gap to close" in found
    talks = Corpus([Conversation("a", (Turn("user", "hi"),))])
    made = as_measurement(found, scores, talks, talks, 10, 3, None)
    assert made.status == "unscored"
    assert made.reason == found


class Words:
    """Is the word of the day in the turn? Learned by remembering the words seen with each label."""

    name, metric, labelled, needs = "words", "accuracy", True, "acts"

    def examples(self, corpus):
        rows = [(t.text, t.acts, u, k) for k, c in enumerate(corpus) for t in c.turns for u in [corpus.unit_ids[k]]]
        text, acts, unit, talk = zip(*rows, strict=True)
        return Examples(text, acts, np.array(unit), np.array(talk))

    def baseline(self, examples, *, seed):
        return {}

    def fit(self, examples, *, seed):
        return dict(zip(examples.inputs, examples.labels, strict=True))

    def score(self, predictor, examples):
        guess = [predictor.get(text, ("yes",)) for text in examples.inputs]
        return np.array([float(g == label) for g, label in zip(guess, examples.labels, strict=True)])


def _corpus(words, n, rng, name):
    talks = []
    for k in range(n):
        word = int(rng.integers(words))
        talks.append(Conversation(f"{name}{k}", (Turn("user", f"word {word}", acts=(("no", "yes")[word % 2],)),)))
    return Corpus(talks)


def test_layers_that_bring_words_add_up():
    """Each layer that is on brings as many further words, and a word is worth as much as another."""
    rng = np.random.default_rng(0)

    def generate(on, *, n, seed):
        return _corpus(10 + 10 * len(on), n, np.random.default_rng(seed), "s")

    real = _corpus(60, 900, rng, "r")
    train, test = real[:500], real[500:]
    made = ablate(Words(), train, test, generate, n=400, seed=0, layers=LAYERS, averaged=())
    assert made.evidence["verdict"] == "additive"
    assert "brings the same" in made.evidence["says"]
    assert made.evidence["cells"]["cell"][-1] == "subtopic+persona+context"
    assert made.evidence["cells"]["value"][0] < made.evidence["cells"]["value"][-1] == made.value
    parts = {part.name.removeprefix("transfer.ablation.words."): part for part in made.parts}
    assert parts["persona"].interval[0] > 0
    assert parts["persona"].adjusted_p < 0.05
    assert parts["subtopic_x_persona"].interval[0] < 0 < parts["subtopic_x_persona"].interval[1]


@pytest.mark.parametrize(("layers", "seeds"), [(("persona",), 3), (LAYERS, 2)])
def test_too_little_to_ablate_is_refused(layers, seeds):
    with pytest.raises(UsageError, match="layers"):
        ablate(Words(), Corpus([]), Corpus([]), _corpus, n=1, seed=0, layers=layers, seeds=seeds)


def test_a_dose_that_teaches_is_seen_and_one_that_does_not_is_not():
    rng = np.random.default_rng(0)
    real = _corpus(60, 900, rng, "r")

    def generate(attributes, *, n, seed):
        return _corpus(10 + 8 * int(np.log2(1 + attributes)), n, np.random.default_rng(seed), "s")

    def same(attributes, *, n, seed):
        return _corpus(20, n, np.random.default_rng([seed, attributes]), "s")

    found = dose_curve(Words(), real[:500], real[500:], generate, n=300, seed=0, doses=(0, 1, 3, 7))
    assert found.name == "transfer.ablation.words.dose"
    assert found.interval[0] > 0.05
    assert found.evidence["resolved"]
    assert found.evidence["attributes"] == ["0", "1", "3", "7"]
    assert found.evidence["value"] == sorted(found.evidence["value"])
    none = dose_curve(Words(), real[:500], real[500:], same, n=300, seed=0, doses=(0, 1, 3, 7))
    assert none.interval[0] < 0 < none.interval[1]
    assert not none.evidence["resolved"]


def test_too_few_doses_are_refused():
    with pytest.raises(UsageError, match="doses"):
        dose_curve(Words(), Corpus([]), Corpus([]), _corpus, n=1, seed=0, doses=(0, 1, 1))
