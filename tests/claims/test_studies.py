"""Studies on the sample, and what a broken measure does to them: the ledger can fail."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from understudy.claims.evidence import Evidence, Named
from understudy.claims.record import read_claims
from understudy.claims.study import run_study
from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import MeasureError
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
