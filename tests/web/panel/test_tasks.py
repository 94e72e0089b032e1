"""What raters are shown: matched, balanced, dealt evenly, and the same for the same seed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.web.panel.making import FEW, corpus, design
from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import UsageError
from understudy.measures.pmq import ATTENTION, ITEMS
from understudy.web.panel.sessions import questionnaire_of, steps_of
from understudy.web.panel.tasks import MOST_TURNS, Wanted, excerpt_of, make_stimuli


def test_pairs_are_of_one_topic_and_length_and_nothing_is_shown_twice() -> None:
    real, synthetic = corpus("real"), corpus("synthetic")
    made = make_stimuli(real, synthetic, FEW, seed=1)
    topics = {f"{side}:{k}:{side}-{k}": f"topic {k % 2}" for side in ("real", "synthetic") for k in range(60)}
    assert all(topics[p.real] == topics[p.other] for p in (*made.pairs, *made.rated))
    gaps = [len(made.excerpts[p.real].turns) - len(made.excerpts[p.other].turns) for p in made.pairs]
    assert sum(gap == 0 for gap in gaps) >= 0.8 * len(gaps)
    names = [name for p in (*made.pairs, *made.rated, *made.catches) for name in (p.real, p.other)]
    assert len(names) == len(set(names)) == len(made.excerpts)
    assert len({p.units[0] for p in made.pairs}) == len(made.pairs)
    assert made.matching.startswith("20 of 20 pairs are of one topic; half of them differ by at most 0 turns")


def test_catch_trials_hold_the_words_of_a_person_in_no_order() -> None:
    made = make_stimuli(corpus("real"), corpus("synthetic"), FEW, seed=1)
    broken = made.excerpts[made.catches[0].other]
    words = [word for _, text in broken.turns for word in text.split()]
    source = next(c for c in corpus("real") if c.id == made.catches[0].other.split(":")[2])
    assert Counter(words) == Counter(word for turn in source.turns for word in turn.text.split())
    assert [role for role, _ in broken.turns] == [turn.role for turn in source.turns]
    assert [text for _, text in broken.turns] != [turn.text for turn in source.turns]


def test_every_pair_is_judged_as_often_and_sides_are_balanced() -> None:
    made = design()
    sessions = [steps_of(made, rater) for rater in range(20)]
    shown = Counter(s.pair.name for steps in sessions for s in steps if s.pair and not s.catch)
    assert set(shown.values()) == {20 * FEW.pairs // len(made.stimuli.pairs)}
    assert len(shown) == len(made.stimuli.pairs)
    for steps in sessions:
        pairs = [s for s in steps if s.kind == "pair"]
        assert abs(2 * sum(s.real_side == "a" for s in pairs) - len(pairs)) <= 1
        assert not pairs[0].catch
        assert Counter(s.dialogue.partition(":")[0] for s in steps if s.kind == "rating") == {"real": 1, "synthetic": 1}
    orders = [tuple(s.real_side for s in steps if s.kind == "pair") for steps in sessions]
    assert len(set(orders)) > 5
    assert steps_of(made, 3) == steps_of(design(), 3)
    assert steps_of(made, 3) != steps_of(design(seed=1), 3)


def test_the_questionnaire_is_in_an_order_and_direction_of_its_own() -> None:
    made = design()
    seen = [questionnaire_of(made, rater) for rater in range(40)]
    assert 10 < sum(mirrored for mirrored, _ in seen) < 30
    assert len({tuple(line.key for line in lines) for _, lines in seen}) == 40
    by_key = {item.key: item for item in ITEMS}
    for mirrored, lines in seen:
        for line in lines:
            if line.key != ATTENTION.key:
                assert (line.left == by_key[line.key].left) != mirrored


def test_small_corpora_give_fewer_pairs_and_too_small_ones_are_refused() -> None:
    wanted = Wanted(pairs=4, catches=1, ratings=2)
    made = make_stimuli(corpus("real", 14), corpus("synthetic", 14), wanted, seed=0)
    assert len(made.pairs) % 4 == 0
    assert made.pairs
    assert made.rated
    with pytest.raises(UsageError, match="can be shown"):
        make_stimuli(corpus("real", 6), corpus("synthetic", 14), wanted, seed=0)
    nothing = Corpus([Conversation(str(k), (Turn("assistant", "hm"),)) for k in range(30)])
    with pytest.raises(UsageError, match="0 synthetic"):
        make_stimuli(corpus("real"), nothing, wanted, seed=0)


def test_a_pool_is_never_less_than_what_one_rater_is_given() -> None:
    made = make_stimuli(corpus("real"), corpus("synthetic"), Wanted(8, 2, 20, pool=3, rated_pool=2), seed=0)
    assert (len(made.pairs), len(made.rated)) == (8, 10)
    none = make_stimuli(corpus("real"), corpus("synthetic"), Wanted(0, 0, 0), seed=0)
    assert (none.pairs, none.catches, none.rated, none.matching) == ((), (), (), "")


def test_topics_that_one_side_lacks_are_left_out_while_there_are_others() -> None:
    made = make_stimuli(corpus("real", 120, users=120, topics=4), corpus("synthetic"), FEW, seed=0)
    assert made.matching.startswith("20 of 20 pairs are of one topic")
    assert {int(p.real.split("-")[1]) % 4 for p in made.pairs} == {0, 1}


def test_users_with_many_conversations_come_in_once_before_any_comes_twice() -> None:
    made = make_stimuli(corpus("real", 60, users=26), corpus("synthetic"), FEW, seed=0)
    assert len({p.units[0] for p in made.pairs}) == 20


def test_excerpts_are_cut_in_turns_and_characters() -> None:
    long = Conversation("x", tuple(Turn("user", "w" * 5000) for _ in range(50)))
    cut = excerpt_of(long)
    assert (len(cut.turns), cut.goes_on, len(cut.turns[0][1])) == (MOST_TURNS, True, 1202)
