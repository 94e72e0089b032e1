"""Generators whose copying is known: none, one turn in fifty, light paraphrase; and the null over many splits."""

import msgspec
import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.privacy.canaries import compare_scores, exposed, make_canaries, plant
from understudy.measures.privacy.copying import expected_share, longest_common, overlap, verbatim
from understudy.measures.privacy.disclosure import compare, disclosure, learn_sides, permuted
from understudy.measures.privacy.near_turns import edit_distance, nearest_turns
from understudy.measures.privacy.nearest_distance import nearest_distance
from understudy.measures.privacy.personal_data import personal_data
from understudy.measures.privacy.reidentification import reidentification
from understudy.measures.privacy.spans import said
from understudy.measures.privacy.standing_out import leads
from understudy.testing.measures import check_measure, example_corpora

OPENERS = ["i would like", "do you have", "could you find", "we need", "is there", "please show me"]
VOCABULARY = [f"word{k}" for k in range(150)]


def people(seed: int, users: int, *, each: int = 2, turns: int = 4) -> Corpus:
    """Users who all walk over words in the same way, often along the same paths: exchangeable by making."""
    rng = np.random.default_rng(seed)
    after = np.random.default_rng(99).integers(0, len(VOCABULARY), (len(VOCABULARY), 4))

    def line() -> str:
        at, words = int(rng.integers(len(VOCABULARY))), [OPENERS[rng.integers(6)]]
        for _ in range(int(rng.integers(3, 12))):
            words.append(VOCABULARY[at])
            at = int(after[at, min(int(rng.geometric(0.6)) - 1, 3)])
        return " ".join(words)

    return Corpus(
        [
            Conversation(
                f"{seed}-{user}-{session}", tuple(Turn("user", line()) for _ in range(turns)), f"{seed}-{user}"
            )
            for user in range(users)
            for session in range(each)
        ]
    )


def copying(base: Corpus, train: Corpus, share: float, rng: np.random.Generator, change: float = 0.0) -> Corpus:
    """`share` of the turns are train turns, with a share `change` of their words replaced."""
    pool = [turn.text for talk in train for turn in talk.turns]

    def line() -> str:
        words = pool[rng.integers(len(pool))].split()
        return " ".join(VOCABULARY[rng.integers(150)] if rng.random() < change else word for word in words)

    def turned(turn: Turn) -> Turn:
        return Turn("user", line()) if rng.random() < share else turn

    return Corpus([msgspec.structs.replace(c, turns=tuple(map(turned, c.turns))) for c in base])


def p_value(train: Corpus, synthetic: Corpus, holdout: Corpus, rng: np.random.Generator) -> float:
    sides = learn_sides(train, holdout, rng=rng)
    found = leads(said(synthetic), sides.real)
    value = sides.given_away(found.owner, sides.odds.of(found))
    return float(compare(value, sides.is_train, permuted(sides.is_train, rng, 199)).p_value[0])


def test_people_never_seen_are_not_accused_more_than_by_chance():
    rng = np.random.default_rng(0)
    found = [p_value(people(s, 40), people(s + 1, 40), people(s + 2, 60), rng) for s in range(0, 150, 3)]
    assert np.mean(np.array(found) <= 0.05) <= 0.12
    assert np.mean(np.array(found) <= 0.5) >= 0.25


@pytest.mark.parametrize("change", [0.0, 0.15])
def test_copied_turns_are_found_verbatim_and_touched_up(change):
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(0, 30, 3):
        train = people(seed, 60)
        synthetic = copying(people(seed + 1, 60), train, 0.04, rng, change)
        hits += p_value(train, synthetic, people(seed + 2, 60), rng) <= 0.05
    assert hits >= 8


def test_few_users_of_whom_some_talk_much_do_not_hide_a_copier():
    rng = np.random.default_rng(3)

    def talkative(seed):
        return Corpus([c for k in range(16) for c in people(seed + k, 1, each=2 + 3 * (k % 6), turns=6)])

    found = {0.0: 0, 0.03: 0}
    for seed in range(0, 1000, 100):
        train, other, free = talkative(seed), talkative(seed + 20), people(seed + 40, 60)
        for share in found:
            found[share] += p_value(train, copying(free, train, share, rng), other, rng) <= 0.05
    assert found[0.0] <= 3
    assert found[0.03] >= 8


def test_the_measure_says_what_it_could_have_detected():
    train, other, free = people(0, 60), people(1, 60), people(2, 60)
    m = disclosure(train, free, holdout=other, rng=np.random.default_rng(0), permutations=199)
    assert m.p_value > 0.05
    assert m.evidence["minimum_detectable"] in (0.01, 0.02, 0.05)
    assert m.evidence["exchangeable_p"] > 0.05
    copied = disclosure(
        train, copying(free, train, 0.1, np.random.default_rng(1)), holdout=other, rng=np.random.default_rng(0)
    )
    assert copied.p_value < 0.01
    assert copied.interval[0] > 0
    assert disclosure(train, free, rng=np.random.default_rng(0)).status == "unscored"


def test_sides_that_speak_differently_are_told():
    m = disclosure(people(0, 40), people(1, 40), holdout=people(2, 40, turns=9), rng=np.random.default_rng(0))
    assert m.evidence["exchangeable_p"] < 0.01


def halved(measure):
    """The measure with the real side cut in train and held-out users: the same corpus on both sides is then fair."""

    def run(real, synthetic, *, rng):
        units = np.unique(real.unit_ids)
        chosen = np.isin(real.unit_ids, rng.permutation(units)[: len(units) // 2])
        return measure(
            real.subset(np.flatnonzero(chosen)), synthetic, rng=rng, holdout=real.subset(np.flatnonzero(~chosen))
        )

    run.spec = measure.spec
    return run


MEASURES = [disclosure, verbatim, personal_data, nearest_distance, reidentification]


@pytest.mark.parametrize("check", [c for m in MEASURES[:1] for c in check_measure(halved(m))], ids=repr)
def test_disclosure_keeps_the_contract_of_measures(check):
    check()


@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: m.spec.name)
def test_measures_run_on_users_of_any_script(measure):
    real, synthetic = example_corpora()
    m = measure(real, synthetic, rng=np.random.default_rng(0), holdout=example_corpora(seed=7)[0])
    assert m.name == measure.spec.name
    assert m.value is None or np.isfinite(m.value)


def slow_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def test_the_bit_parallel_distance_is_the_distance():
    rng = np.random.default_rng(0)
    for _ in range(300):
        a, b = (rng.integers(0, 5, rng.integers(1, 80)).astype(np.uint64) for _ in range(2))
        assert edit_distance(a, b) == slow_distance(a.tolist(), b.tolist())


def test_a_touched_up_turn_is_found_among_many():
    base = people(0, 50)
    lines = [turn.text for talk in base for turn in talk.turns if len(turn.text.split()) >= 8]
    changed = [" ".join([*line.split()[:4], "other", *line.split()[5:]]) for line in lines[:30]]
    asked = Corpus([Conversation(str(k), (Turn("user", line),)) for k, line in enumerate(changed)])
    assert (nearest_turns(said(asked), said(base)).similarity >= 0.8).mean() >= 0.9


def test_fifty_words_in_a_row_bar_a_release_and_forty_nine_do_not():
    def talk(name, first, count):
        words = [str(k) for k in range(first, first + count)]
        return Conversation(name, (Turn("user", " ".join(words[:20])), Turn("user", " ".join(words[20:]))))

    train = Corpus([talk("t", 0, 80)])
    for count, barred in ((50, True), (49, False)):
        m = verbatim(train, Corpus([talk("s", 10, count)]), rng=np.random.default_rng(0))
        assert m.evidence["release_barred"] is barred
        assert m.evidence["longest"] == count == longest_common(said(train), said(Corpus([talk("s", 10, count)])))


def test_overlap_is_fair_to_a_training_set_four_times_as_large():
    train, other, free = people(0, 160), people(1, 40), people(2, 60)
    found = overlap(said(train), said(other), said(free), size=4)
    assert found.interval[0] < 0 < found.interval[1]
    assert (
        overlap(said(train), said(other), said(copying(free, train, 0.3, np.random.default_rng(0))), 4).interval[0] > 0
    )


def test_the_expected_share_is_that_of_drawing():
    rng = np.random.default_rng(0)
    drawn = np.mean([(rng.permutation(12)[:5] < 3).any() for _ in range(4000)])
    assert abs(expected_share(np.array([3]), 12, 5)[0] - drawn) < 0.03


def test_canaries_in_a_copy_are_found_and_in_other_people_are_not():
    train, free = people(0, 80), people(1, 80)
    canaries = make_canaries(train, planted=40, unseen=80, repeats=1, seed=0)
    planted = plant(train, canaries, seed=0)
    leaked, innocent = exposed(canaries, planted), exposed(canaries, free)
    assert leaked.auc > 0.97
    assert leaked.emitted == 40
    assert innocent.interval[0] < 0.5 < innocent.interval[1]
    assert innocent.emitted == 0


def test_scores_without_order_are_a_coin():
    rng = np.random.default_rng(0)
    found = [compare_scores(rng.normal(size=50), rng.normal(size=100)) for _ in range(200)]
    assert abs(np.mean([f.auc for f in found]) - 0.5) < 0.02
    assert np.mean([f.interval[0] <= 0.5 <= f.interval[1] for f in found]) > 0.9
    assert np.mean([f.caught for f in found]) < 0.04


def test_a_simulated_user_is_led_back_to_its_source_and_a_stranger_is_not():
    rng = np.random.default_rng(0)
    habits = [" ".join(rng.choice(VOCABULARY, 2)) for _ in range(30)]

    def speakers(name, first):
        return Corpus(
            [
                Conversation(
                    f"{name}{k}-{s}", (Turn("user", f"{OPENERS[s]} {habits[(k + first) % 30]} thing"),), f"{name}{k}"
                )
                for k in range(30)
                for s in range(2)
            ]
        )

    real, same = speakers("r", 0), speakers("s", 0)
    sources = {f"s{k}": f"r{k}" for k in range(30)}
    m = reidentification(real, same, rng=rng, sources=sources)
    assert m.value > 0.6
    assert m.p_value < 0.01
    assert m.evidence["real"] > 0.6
    mixed = {f"s{k}": f"r{(k + 7) % 30}" for k in range(30)}
    assert reidentification(real, same, rng=rng, sources=mixed).p_value > 0.05
