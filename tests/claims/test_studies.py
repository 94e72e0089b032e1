"""Studies on the sample, and what a broken measure does to them: the ledger can fail."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from tests.measures.privacy.test_disclosure import people as strangers
from understudy.claims.evidence import Evidence, Named
from understudy.claims.record import read_claims
from understudy.claims.studies.partners import ahead
from understudy.claims.studies.personas import _fall, with_personas
from understudy.claims.study import run_studies, run_study
from understudy.claims.verdict import judge
from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import MeasureError, MissingExtraError
from understudy.measures.measurement import Measurement
from understudy.sample import sample_corpus
from understudy.testing.relations import events

CLAIMS = read_claims()
SAMPLE = Evidence((Named("sample", sample_corpus()),))


def test_the_published_tables() -> None:
    found = {name: run_study(CLAIMS[name], SAMPLE) for name in CLAIMS if CLAIMS[name].study.startswith("published.")}
    assert {name: entry.outcome for name, entry in found.items()} == {
        "diasynth-coverage": "weakened",
        "diasynth-improvement": "refuted",
        "consistency-quoted": "weakened",
        "factor-shares": "weakened",
        "alignment-carries": "weakened",
        "unread-answers": "refuted",
        "pairs-dilute": "refuted",
    }
    assert "B/I is 86.0%" in found["diasynth-coverage"].why
    assert "gives 12.15 %" in found["diasynth-improvement"].why


def test_fitted_users_are_harder_to_tell_than_those_that_recite() -> None:
    entry = run_study(CLAIMS["latent-users"], SAMPLE)
    assert entry.outcome == "held"
    assert entry.rows[0].floor.startswith("AUC of real against real")
    assert entry.data == {"sample": sample_corpus().digest}


def test_a_broken_discriminator_turns_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    import understudy.measures.realism.discriminator as home

    real = home.discriminator

    def same_for_all(*args: object, **kwargs: object) -> Measurement:
        whole = real(*args, **kwargs)  # type: ignore[arg-type]
        stuck = [msgspec.structs.replace(p, value=0.5, interval=(0.45, 0.55)) for p in whole.parts]
        return msgspec.structs.replace(whole, parts=tuple(stuck))

    monkeypatch.setattr(home, "discriminator", same_for_all)
    assert run_study(CLAIMS["latent-users"], SAMPLE).outcome == "inconclusive"


def test_a_measure_with_its_sign_turned_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    import understudy.measures.realism.discriminator as home

    real = home.discriminator

    def turned(*args: object, **kwargs: object) -> Measurement:
        whole = real(*args, **kwargs)  # type: ignore[arg-type]
        parts = [
            msgspec.structs.replace(p, value=1 - p.value, interval=(1 - p.interval[1], 1 - p.interval[0]))
            for p in whole.parts
            if p.value is not None and p.interval is not None
        ]
        return msgspec.structs.replace(whole, parts=tuple(parts))

    monkeypatch.setattr(home, "discriminator", turned)
    assert run_study(CLAIMS["latent-users"], SAMPLE).outcome == "refuted"


def test_a_measure_that_fails_is_told_and_a_bug_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    import understudy.measures.realism.discriminator as home

    def fails(*args: object, **kwargs: object) -> Measurement:
        raise MeasureError("no words", why="none were said", fix="say some")

    monkeypatch.setattr(home, "discriminator", fails)
    entry = run_study(CLAIMS["latent-users"], SAMPLE)
    assert (entry.outcome, entry.why) == ("inconclusive", "no words: none were said")
    monkeypatch.setattr(home, "discriminator", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_study(CLAIMS["latent-users"], SAMPLE)


def test_residue_is_seen_where_it_was_planted() -> None:
    people, marks = events(160, seed=0), events(80, seed=1, shared=False)
    more = events(80, seed=2)
    planted = run_study(CLAIMS["event-residue"], Evidence((Named("people", people, (Named("marks", marks),)),)))
    none = run_study(CLAIMS["event-residue"], Evidence((Named("people", people, (Named("people too", more),)),)))
    assert planted.outcome == "held"
    assert none.outcome != "held"


def _rated(n: int, *, linked: bool, seed: int) -> Iterator[Conversation]:
    rng = np.random.default_rng(seed)
    words = np.array(["tea", "sea", "bus", "red", "map", "sun", "box", "cup", "fig", "jam"])
    for k in range(n):
        asked = rng.permutation(words)[:4]
        taken = int(rng.integers(5))
        said = [*asked[:taken], *rng.choice(["well", "so", "right", "fine"], 4 - taken)]
        rating = taken if linked else int(rng.integers(5))
        turns = (Turn("user", " ".join(asked)), Turn("assistant", " ".join(said)))
        yield Conversation(f"c{k}", turns * 2, user_id=f"u{k // 2}", meta={"overall_satisfaction": rating})


@pytest.mark.parametrize(("linked", "outcome"), [(True, "held"), (False, "inconclusive")])
def test_satisfaction_with_what_is_taken_up(linked: bool, outcome: str) -> None:
    corpus = Corpus(list(_rated(120, linked=linked, seed=3)))
    assert run_study(CLAIMS["contingency-and-trust"], Evidence((Named("rated", corpus),))).outcome == outcome


def test_what_lacks_data_is_untested_and_says_what_it_needs() -> None:
    for name in ("personas-differ", "contingency-too-even", "told-apart"):
        entry = run_study(CLAIMS[name], SAMPLE)
        assert entry.outcome == "untested"
        assert "SYN" in entry.why


@pytest.mark.parametrize(
    "name",
    ["matched-means", "entity-swap", "layers-multiply", "mixtures", "contingency-and-trust", "aligned-personas",
     "consistency-training", "distance-blind"],
)  # fmt: skip
def test_of_six_strangers_every_study_says_what_it_would_need(name: str) -> None:
    talks = [Conversation(f"c{k}", (Turn("user", f"hello {k}"), Turn("assistant", "hi"))) for k in range(6)]
    entry = run_study(CLAIMS[name], Evidence((Named("six", Corpus(talks)),)))
    assert entry.outcome == "untested"
    assert "needs" in entry.why or "needed" in entry.why


def test_a_student_of_another_beginning_that_reads_as_well_refutes(monkeypatch: pytest.MonkeyPatch) -> None:
    import understudy.traits.subliminal as home

    read = np.array([0.6, 0.7, 0.65, 0.7, 0.6, 0.68])

    def replicated(accuracy: np.ndarray) -> str:
        found = {"same": home.Outcome(read, read, read), "other": home.Outcome(accuracy, read, read)}
        monkeypatch.setattr(home, "replicate", lambda *args, **kwargs: found)
        return run_study(CLAIMS["hidden-traits"], SAMPLE).outcome

    assert replicated(np.array([0.1, 0.05, 0.1, 0.12, 0.1, 0.1])) == "held"
    assert replicated(read + np.array([0.0, 0.2, 0.1, 0.2, 0.1, 0.1])) == "refuted"
    assert replicated(read + np.array([-0.1, 0.1, -0.05, 0.05, -0.1, 0.1])) == "inconclusive"


@pytest.mark.parametrize(("weights", "outcome"), [((1.0, -1.0, 0.0), "held"), ((1.0, 1.0, 1.0), "not held")])
def test_three_views_are_told_from_one(weights: tuple[float, ...], outcome: str) -> None:
    rng = np.random.default_rng(0)
    views = rng.normal(size=(3000, 3))
    turns = (views @ np.array(weights))[:, None] + rng.normal(size=(3000, 3))
    found = judge(ahead(views, turns, np.arange(3000) // 10, rng), "x")
    assert (found.outcome == "held") == (outcome == "held")


def test_distance_is_blind_where_copies_are_found_and_a_broken_test_does_not_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import understudy.measures.privacy.disclosure as home

    many = Evidence((Named("made", strangers(0, 150)),))
    assert run_study(CLAIMS["distance-blind"], many).outcome == "held"
    real = home.disclosure

    def finds_nothing(*args: object, **kwargs: object) -> Measurement:
        return msgspec.structs.replace(real(*args, **kwargs), value=0.0, interval=(-0.1, 0.1))  # type: ignore[arg-type]

    monkeypatch.setattr(home, "disclosure", finds_nothing)
    assert run_study(CLAIMS["distance-blind"], many).outcome == "inconclusive"


def test_users_dealt_out_at_random_lose_themselves() -> None:
    assert run_study(CLAIMS["matched-means"], SAMPLE).outcome == "held"
    alone = Corpus([msgspec.structs.replace(talk, user_id=None) for talk in sample_corpus()])
    entry = run_study(CLAIMS["matched-means"], Evidence((Named("unnamed", alone),)))
    assert entry.outcome == "untested"


def test_an_extra_that_is_absent_leaves_the_claim_untested(monkeypatch: pytest.MonkeyPatch) -> None:
    import understudy.traits.subliminal as home

    def lacks(*args: object, **kwargs: object) -> None:
        raise MissingExtraError("torch is not installed", why="students learn with it", fix="pip install x[train]")

    monkeypatch.setattr(home, "replicate", lacks)
    entry = run_study(CLAIMS["hidden-traits"], SAMPLE)
    assert (entry.outcome, entry.why) == ("untested", "torch is not installed: pip install x[train]")


def test_studies_in_processes_say_the_same_in_the_same_order() -> None:
    some = [CLAIMS[name] for name in ("diasynth-coverage", "matched-means", "no-big-five")]
    alone, together = (list(run_studies(some, SAMPLE, workers=n)) for n in (1, 2))
    assert [(e.claim, e.outcome, e.rows) for e in alone] == [(e.claim, e.outcome, e.rows) for e in together]


def test_the_fall_of_a_rate_is_counted_over_people() -> None:
    rng = np.random.default_rng(0)

    def people(before: float, after: float) -> np.ndarray:
        wrong = np.stack([rng.binomial(20, before, 80), rng.binomial(20, after, 80)], axis=1)
        return np.stack([np.full((80, 2), 20.0), wrong], axis=2)

    outcomes = [
        judge(found, "x", claimed=0.55).outcome
        for rates in (people(0.3, 0.06), people(0.3, 0.25), people(0.2, 0.3))
        if (found := _fall(rates, rng))
    ]
    assert outcomes == ["held", "weakened", "refuted"]
    assert _fall(people(0.0, 0.1), rng) is None


def test_personas_that_find_nobody_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    import understudy.measures.separability.twins as home

    real = home.find_twins

    def mixed(first: np.ndarray, second: np.ndarray, *, rng: np.random.Generator) -> home.Twins:
        return real(first, np.roll(second, 1, axis=0), rng=rng)

    assert run_study(CLAIMS["aligned-personas"], SAMPLE).outcome == "held"
    monkeypatch.setattr(home, "find_twins", mixed)
    assert run_study(CLAIMS["aligned-personas"], SAMPLE).outcome in ("refuted", "inconclusive")


def test_a_first_session_stands_for_a_persona_that_is_not_told() -> None:
    told = with_personas(sample_corpus())
    assert 0 < len(told) < len(sample_corpus())
    assert all(talk.meta["persona"] for talk in told)
    assert with_personas(told).digest == told.digest
