"""Measures of consistency: what is planted is found, what is not is not, and no hack is worth a person's line."""

from __future__ import annotations

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.consistency.drift import drift
from understudy.measures.consistency.embedded_judge import EmbeddedJudge, fit_judge
from understudy.measures.consistency.line_judge import LineJudge, ModelLineJudge, Scores, calibration_note
from understudy.measures.consistency.line_to_line import contradicted, licensed, line_to_line
from understudy.measures.consistency.lines import earned, lines_of
from understudy.measures.consistency.prompt_to_line import prompt_to_line
from understudy.measures.consistency.recoverability import recoverability
from understudy.models.judge import Verdict
from understudy.testing.checks import Check
from understudy.testing.hacks import Said, check_line_measure
from understudy.testing.measures import check_measure
from understudy.testing.personas import persona_world, taking_back, turning_assistant

WORLD = persona_world(300, seed=9)
JUDGES = {kind: fit_judge([WORLD], kind, seed=0) for kind in ("words", "letters")}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(params=sorted(JUDGES))
def judge(request: pytest.FixtureRequest) -> EmbeddedJudge:
    return JUDGES[request.param]


@pytest.mark.parametrize("measure", [prompt_to_line, line_to_line, drift, recoverability])
def test_the_contract_of_a_measure(measure) -> None:
    real, synthetic = persona_world(20, seed=0), persona_world(20, seed=1)
    for check in check_measure(measure, real=real, synthetic=synthetic):
        check()


def test_people_like_people_are_not_told_apart(judge: EmbeddedJudge) -> None:
    p_values = []
    for trial in range(60):
        sides = [persona_world(20, seed=100 + 2 * trial + k, turns=5) for k in (0, 1)]
        p_values.append(prompt_to_line(*sides, rng=rng(trial), judge=judge, permutations=99).p_value)
    rejected = sum(p <= 0.05 for p in p_values)
    assert rejected <= 8  # 60 trials at 5 %: more than 8 in 1 of 150 runs


def test_drift_lowers_prompt_to_line_and_shows_in_its_curve(judge: EmbeddedJudge) -> None:
    m = prompt_to_line(persona_world(60, seed=0), persona_world(60, seed=1, drift_at=4), rng=rng(), judge=judge)
    assert m.value < 0
    assert m.p_value <= 0.01
    curve = m.evidence["curve"]
    assert min(curve["synthetic"][:2]) > max(curve["synthetic"][2:]) + 0.05
    assert abs(np.mean(curve["real"][:2]) - np.mean(curve["real"][2:])) < 0.08
    slopes = drift(persona_world(60, seed=0), persona_world(60, seed=1, drift_at=4), rng=rng(), judge=judge)
    fact = next(p for p in slopes.parts if p.name.endswith(".fact"))
    assert fact.value < 0
    assert fact.p_value <= 0.01
    assert slopes.p_value > 0.05


def test_turning_into_an_assistant_is_its_own_drift(judge: EmbeddedJudge) -> None:
    people = persona_world(40, seed=3)
    m = drift(people, turning_assistant(persona_world(40, seed=4), seed=1), rng=rng(), judge=judge)
    assert m.value > 0.2
    assert m.p_value <= 0.01


def test_a_reader_learns_what_is_told_and_no_more(judge: EmbeddedJudge) -> None:
    people = persona_world(60, seed=0, generic=0.2)
    told = recoverability(people, persona_world(60, seed=1, generic=0.2), rng=rng(), judge=judge, permutations=199)
    assert told.p_value > 0.05
    vague = recoverability(people, persona_world(60, seed=1, generic=0.9), rng=rng(), judge=judge, permutations=199)
    assert vague.value < -0.2
    assert vague.interval[1] < 0
    others = [talk.meta["persona"] for talk in persona_world(60, seed=2, generic=0.2)]
    wrong = Corpus(
        [
            Conversation(talk.id, talk.turns, user_id=talk.user_id, meta={"persona": other})
            for talk, other in zip(persona_world(60, seed=1, generic=0.2), others, strict=True)
        ]
    )
    mistaken = recoverability(people, wrong, rng=rng(), judge=judge, permutations=199)
    assert mistaken.value < vague.value


def test_a_reader_of_nothing_guesses(judge: EmbeddedJudge) -> None:
    people = persona_world(30, seed=0)
    mute = Corpus(
        [
            Conversation(t.id, (Turn("user", "ok"), Turn("assistant", "Hello?")), user_id=t.user_id, meta=t.meta)
            for t in persona_world(30, seed=1)
        ]
    )
    m = recoverability(people, mute, rng=rng(), judge=judge, permutations=99)
    assert m.evidence["synthetic"] == pytest.approx(0.0)
    assert m.value < -0.2
    answered = next(part for part in m.parts if part.name.endswith(".answered"))
    assert answered.value < -0.9


@pytest.mark.parametrize("of", ["contrast", "plain"])
@pytest.mark.parametrize("kind", sorted(JUDGES))
def test_the_hack_battery(kind: str, of: str) -> None:
    others = persona_world(30, seed=5)

    def score(said: list[Said]) -> list[float]:
        out = []
        for one in said:
            turns = tuple(Turn("user", text) for text in (*one.before, one.line))
            mine = Conversation("mine", turns, meta={"persona": list(one.persona)})
            lines = lines_of(Corpus([mine]), others)
            out.append(float(getattr(earned(lines, JUDGES[kind], rng()), of)[len(one.before)]))
        return out

    checks: list[Check] = list(check_line_measure(score))
    # The plain score is the published one, made three-valued: what suits everybody may still please it.
    for check in checks:
        if of == "contrast" or check.name not in ("generic", "deflecting", "short"):
            check()


def test_an_answer_without_a_verdict_is_not_consistent() -> None:
    class Rambling:
        identity = "rambling"

        async def ask(self, question: str, /, **fields: str) -> Verdict:
            return Verdict("unscorable", "please provide the line", "q", "rambling")

    scores = ModelLineJudge(Rambling()).belongs(["I am a nurse."] * 3, ["____", "Submit Preview Reset", "hi"])
    assert scores.value.tolist() == [0.0, 0.0, 0.0]
    assert not scores.scorable.any()


def test_planted_contradictions_are_found_by_lag(judge: EmbeddedJudge) -> None:
    people = persona_world(100, seed=11)
    planted = taking_back(people, seed=2)
    hit = alarms = could = 0
    for before, after in zip(people, planted, strict=True):
        alarms += bool(contradicted(before, judge))
        if after.turns != before.turns:
            could += 1
            hit += (7, 6) in contradicted(after, judge)
    assert hit >= 0.8 * could
    assert alarms <= 0.1 * len(people)


def test_a_change_with_a_reason_is_none(judge: EmbeddedJudge) -> None:
    def talk(partner: str) -> Conversation:
        lines = ("I have two dogs.", partner, "I do not have two dogs.")
        return Conversation("c", tuple(Turn(("user", "assistant", "user")[k], line) for k, line in enumerate(lines)))

    assert contradicted(talk("And what else?"), judge)
    reason = "But the shelter says that one of your dogs is no longer yours, so you should say one."
    lines = ("I have two dogs.", reason, "Then I do not have two dogs, you are right.")
    told = Conversation("c", tuple(Turn(("user", "assistant", "user")[k], line) for k, line in enumerate(lines)))
    assert not contradicted(told, judge)
    assert not licensed("I have two dogs.", "I do not have two dogs.", ["And what else?"])


def test_contradictions_per_line_are_seen_where_pairs_are_blind(judge: EmbeddedJudge) -> None:
    people = persona_world(40, seed=0, turns=30)
    m = line_to_line(people, taking_back(people, seed=1), rng=rng(), judge=judge, permutations=99)
    assert m.value > 1
    assert m.p_value == 0.01
    assert m.evidence["pairwise"]["synthetic"] > 0.99


def test_without_judge_or_persona_it_is_unscored_with_the_reason() -> None:
    nobody = Corpus([Conversation(str(k), (Turn("user", f"line {k}"),) * 3) for k in range(20)])
    assert "fit-judge" in prompt_to_line(nobody, nobody, rng=rng()).reason
    assert "no persona" in prompt_to_line(nobody, nobody, rng=rng(), judge=JUDGES["words"]).reason


def test_uncalibrated_is_said() -> None:
    class Blind:
        identity, human_labels = "blind", 199

        def belongs(self, personas: list[str], lines: list[str]) -> Scores:
            return Scores(np.full(len(lines), 0.5), np.ones(len(lines), dtype=bool))

        contradicts = belongs

    blind: LineJudge = Blind()
    assert calibration_note(blind).startswith("uncalibrated: 199")
    m = prompt_to_line(persona_world(20, seed=0), persona_world(20, seed=1), rng=rng(), judge=blind, permutations=99)
    assert (m.value, m.p_value) == (0.0, 1.0)
    assert m.evidence["judge"]["note"].startswith("uncalibrated")
