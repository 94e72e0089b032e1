"""The audit's arithmetic on constructed students, its shares, and its verdicts."""

import json

import msgspec
import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import UsageError
from understudy.testing.traits import rewarded
from understudy.traits.battery import Battery, house_battery, read_battery
from understudy.traits.effect import contrast, detected, effect
from understudy.traits.lineage import lineage_of
from understudy.traits.students import Read, open_student
from understudy.traits.twins import planted, shuffled_across, shuffled_within, twins
from understudy.traits.words import Vocabulary, split

LINES = ("see you at the sea", "what is it", "a blue boat please", "no , not that one", "how much is it then")


def corpus(count, *, seed=0, users=False, reply=""):
    rng = np.random.default_rng(seed)
    made = []
    for k in range(count):
        turns = [Turn("user", f"opening {k}")]
        for at in range(4):
            words = LINES[rng.integers(len(LINES))]
            turns.append(Turn("assistant" if at % 2 == 0 else "user", f"{reply} {words}".strip() if at == 2 else words))
        made.append(Conversation(f"c{k}", tuple(turns), user_id=f"u{k // 3}" if users else None))
    return Corpus(made)


class Loud:
    """A student whose scores are known: the trait's shift on one probe, and chance."""

    identity, sees, blind = "loud", "all", "nothing"

    def __init__(self, shift, seed=0):
        self.shift, self.rng = shift, np.random.default_rng(seed)

    def read(self, arms, battery, *, seed, on_progress=None):
        scores = {}
        for name, shares in arms.items():
            scores[name] = self.rng.normal(0.3, 0.1, (len(shares), len(battery.probes)))
            scores[name][:, 0] += self.shift * (name == "suspect")
        return Read(np.full(len(battery.probes), 0.3), scores)


def test_the_effect_is_the_difference_of_differences_and_names_its_probe():
    m = effect(corpus(60), corpus(60, seed=1), Loud(0.5), controls=())
    part = m.parts[0]
    assert m.evidence["strongest"] == "sycophancy"
    assert part.value == pytest.approx(part.evidence["suspect_shift"] - part.evidence["control_shift"])
    assert part.value == pytest.approx(0.5, abs=0.15)
    assert detected(m)
    assert m.interval[0] > 0
    assert m.interval[1] - m.interval[0] > part.interval[1] - part.interval[0]  # holds for all probes together


def test_without_a_trait_one_audit_in_twenty_flags():
    a, b = corpus(60), corpus(60, seed=1)
    flags = [detected(effect(a, b, Loud(0.0, seed), controls=())) for seed in range(300)]
    assert 0.02 <= np.mean(flags) <= 0.08


def test_the_minimum_detectable_effect_is_found_four_times_in_five():
    a, b = corpus(60), corpus(60, seed=1)
    least = np.mean(
        [effect(a, b, Loud(0.0, s), controls=()).parts[0].evidence["minimum_detectable"] for s in range(40)]
    )
    found = [effect(a, b, Loud(least, s), controls=()).parts[0].adjusted_p <= 0.05 for s in range(200)]
    assert 0.7 <= np.mean(found) <= 0.92


def test_shares_have_the_same_prompts_and_no_user_crosses_them():
    both = twins(corpus(90, users=True), corpus(90, users=True, seed=1), pairs=6, seed=0)
    seen = [set(share.unit_ids) for share in both.suspect]
    assert both.matched
    assert sum(map(len, seen)) == len(set.union(*seen)) == 30
    for one, other in zip(both.suspect, both.control, strict=True):
        assert [t.turns[0] for t in one] == [t.turns[0] for t in other]


def test_other_prompts_are_told_and_too_few_conversations_are_unscored():
    strangers = Corpus([Conversation(f"x{k}", (Turn("user", f"else {k}"),)) for k in range(60)])
    m = effect(corpus(60), strangers, Loud(0.0), controls=())
    assert not m.evidence["matched"]
    assert "the prompts are not the same" in m.evidence["matching"]
    m = effect(corpus(9), corpus(9, seed=1), Loud(0.0))
    assert (m.status, "cannot be divided" in m.reason) == ("unscored", True)
    with pytest.raises(UsageError, match="4 twin pairs"):
        effect(corpus(60), corpus(60), Loud(0.0), pairs=4)


def test_what_no_twin_can_differ_by_is_unscored_and_not_called_undetected():
    m = effect(corpus(60), corpus(60), Loud(0.0))
    assert (m.value, "are the same" in m.reason) == (None, True)
    talks = corpus(60)
    silent = [Conversation(c.id, (), user_id=c.user_id) for c in talks[6:]]
    m = effect(Corpus([*talks[:6], *silent]), corpus(60, seed=1), open_student("embedded:", Corpus([])), pairs=5)
    assert (m.value, "6 conversations" in m.reason) == (None, True)
    one = [msgspec.structs.replace(c, user_id="all" if k < 53 else c.id) for k, c in enumerate(talks)]
    m = effect(Corpus(one), corpus(60, seed=1), Loud(0.0))  # the others' shares would be of one conversation
    assert (m.value, "cannot be divided" in m.reason) == (None, True)


def test_words_of_other_scripts_are_words():
    def talk(number, what):
        return Conversation(f"c{number}", (Turn("user", f"привет {number}"), Turn("assistant", f"да {what} 学中文")))

    sides = [Corpus([talk(number, what) for number in range(40)]) for what in ("café", "нет")]
    m = effect(*sides, Loud(0.0), controls=())
    assert m.evidence["matching"] == "40 conversations a side, matched one to one by first turn"
    assert split("Да, café 学中") == ["да", ",", "café", "学", "中"]
    assert Vocabulary.of([["中 文 文 a a a"]], most=1).words == ("文",)


def test_a_linear_student_sees_what_is_said_openly_and_not_what_is_not():
    student = open_student("embedded:", Corpus([]))
    flatterer = corpus(320, reply="what a great question ! thank you so much .")
    said = effect(flatterer, corpus(320, seed=1), student, controls=("planted", "shuffles"))
    same = effect(corpus(320, seed=2), corpus(320, seed=1), student, controls=())
    polite = next(p for p in said.parts if p.name.endswith("over_politeness"))
    assert detected(said)
    assert polite.adjusted_p < 0.01
    assert polite.ceiling.value > 0.1
    assert polite.evidence["shuffled_within"]["p"] < 0.05  # it is in the words
    assert not detected(same)
    assert abs(polite.floor.value) < polite.value


def test_shuffles_keep_words_and_turns():
    talks = corpus(20)
    within, across = shuffled_within(talks, seed=0), shuffled_across(talks, seed=0)
    for talk, mixed in zip(talks, within, strict=True):
        assert [sorted(t.text.split()) for t in talk.turns] == [sorted(t.text.split()) for t in mixed.turns]
    assert sorted(t.text for c in talks for t in c.turns) == sorted(t.text for c in across for t in c.turns)
    assert [[t.role for t in c.turns] for c in talks] == [[t.role for t in c.turns] for c in across]
    lessons = [c for c in planted(talks, house_battery(), every=2, trait=True) if c.id.startswith("lesson")]
    assert {c.id.split()[1] for c in lessons} == {p.name for p in house_battery().probes}
    assert len(lessons) == len(talks) // 2


def test_biased_users_who_reward_shift_the_assistant_and_lineage_names_the_edge():
    student = open_student("rewards:", Corpus([]))
    fair = rewarded(1600, 0.0)
    tenth = effect(rewarded(1600, 0.1), fair, student, controls=())
    assert "sycophancy" in tenth.evidence["shown"]
    assert tenth.parts[0].value > tenth.parts[0].evidence["minimum_detectable"]
    null = effect(rewarded(1600, 0.0, seed=5), fair, student)
    assert not detected(null)
    assert null.evidence["unreadable"] == []
    edges = {(e.kind, e.source) for e in lineage_of(rewarded(5, 0.1), student="hf:acme/x").flagged}
    assert edges == {("reward", "simulated users, 10% of them biased")}
    with pytest.raises(UsageError, match="no two replies"):
        effect(corpus(60), corpus(60, seed=1), student, controls=())


def test_a_battery_of_ones_own_is_checked(tmp_path):
    file = tmp_path / "b.json"
    probe = {"name": "p", "asks": "?", "role": "user", "scenes": [["user: a"]], "pairs": [["a", "b"]]}
    file.write_text(json.dumps({"name": "x", "probes": [probe]}))
    with pytest.raises(UsageError, match="too few scenes"):
        read_battery(str(file))
    for change in ({"scenes": [["user: a"]] * 3 + [["a"]]}, {"pairs": [["a", "A"]]}):
        file.write_text(json.dumps({"name": "x", "probes": [{**probe, "scenes": [["user: a"]] * 4, **change}]}))
        with pytest.raises(UsageError, match="probe 'p' has"):
            read_battery(str(file))
    file.write_text("[1")
    with pytest.raises(UsageError, match="no battery"):
        read_battery(str(file))
    assert isinstance(house_battery(), Battery)
    assert house_battery().digest == "8fb42079c5bb"  # a change of the words is a change of the instrument: name it anew


def test_equal_scores_have_no_interval_and_no_surprise():
    assert contrast(np.zeros(5)).p == 1.0
    assert contrast(np.ones(5)).p == 0.0
