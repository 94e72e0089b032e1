"""From corpora to a mixed corpus: what it holds, what it says of itself, and that noise is not called better."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from tests.transfer.worlds import people
from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import UsageError
from understudy.transfer.families import judges_for
from understudy.transfer.judging import judge_mixture
from understudy.transfer.members import apart, members_of
from understudy.transfer.mixing import assemble, mix_corpora, save_recipe
from understudy.transfer.mixtures import candidates_of

FIT = ("length", "punctuation")


@pytest.fixture(scope="module")
def kinds() -> dict[str, Corpus]:
    return {f"kind{k}": people(np.eye(3)[k], 150, 10 + k) for k in range(3)}


def test_a_mixture_of_kinds_is_closer_than_each_kind(kinds, tmp_path) -> None:
    found = mix_corpora(
        kinds, people((0.5, 0.3, 0.2), 120, 1, "r"), people((0.5, 0.3, 0.2), 120, 2, "h"), families=FIT, seed=0
    )
    m = found.measurement
    assert (m.name, m.evidence["judge"]) == ("transfer.mixture", "vocabulary")
    assert m.evidence["better"]
    assert m.value < 0
    assert m.interval[1] < 0
    assert m.evidence["families_used"] == list(FIT)
    assert not set(m.evidence["families_used"]) & set(m.evidence["families_held_out"])
    recipe = found.recipe
    assert sum(share.weight for share in recipe.members) == pytest.approx(1.0)
    assert len(found.corpus) == recipe.conversations == len({talk.id for talk in found.corpus})
    for share in recipe.members:
        assert share.drawn / recipe.conversations == pytest.approx(share.weight, abs=0.03)
        assert share.drawn == sum(t.provenance["mixture"]["member"] == share.member for t in found.corpus)
    save_recipe(tmp_path / "r.json", recipe)
    told = json.loads((tmp_path / "r.json").read_text())
    assert told["schema"] == "understudy.mixture/1"
    assert len(told["members"]) == 3
    assert set(told["digests"]) == set(kinds)


def test_selection_from_one_corpus_of_cells(kinds) -> None:
    talks = [Conversation(f"{name}-{t.id}", t.turns, topic=name) for name, corpus in kinds.items() for t in corpus]
    found = mix_corpora(
        {"one": Corpus(talks)},
        people((0.6, 0.4, 0.0), 100, 3, "r"),
        people((0.6, 0.4, 0.0), 100, 4, "h"),
        families=FIT,
        cells=("topic",),
        select=True,
        n=120,
        seed=0,
    )
    assert len(found.corpus) == 120
    weights = {share.cell: share.weight for share in found.recipe.members}
    assert weights["kind2"] < 0.1 < weights["kind1"] < weights["kind0"]
    assert found.recipe.selection is not None
    assert found.measurement.evidence["better"]


@pytest.mark.parametrize("select", [False, True])
def test_selecting_from_noise_alone_is_not_called_better(select: bool) -> None:
    called = 0
    for seed in range(5):
        whole = people((1, 1, 1), 300, seed)
        halves = {"a": whole[:150], "b": whole[150:]}
        real, judge = people((1, 1, 1), 60, 50 + seed, "r"), people((1, 1, 1), 80, 90 + seed, "h")
        found = mix_corpora(halves, real, judge, families=FIT, select=select, n=120, seed=seed)
        called += found.measurement.evidence["better"]
    assert called == 0


@pytest.mark.slow
def test_the_paired_judgement_errs_as_often_as_it_says() -> None:
    """Two random draws of one population: each interval leaves 0 out about once in twenty."""
    out: dict[str, int] = {}
    runs = 150
    for seed in range(runs):
        judge = people((1, 1, 1), 80, 5000 + seed, "h")
        mixed, rival = people((1, 1, 1), 80, seed, "m"), people((1, 1, 1), 80, 9000 + seed, "n")
        m = judge_mixture(judge, mixed, {"rival": rival}, judges_for(FIT), seed=seed)
        for part in m.parts:
            if part.value is not None:
                out[part.name] = out.get(part.name, 0) + (not part.interval[0] <= 0 <= part.interval[1])
    assert out
    assert all(count / runs <= 0.1 for count in out.values()), out


def test_a_twin_through_a_channel_is_the_same_conversation(kinds) -> None:
    members = members_of({"a": kinds["kind0"]}, channels=("lower_case:1",), seed=0)
    pool = candidates_of(members)
    assert [m.name for m in members] == ["a", "a+lower_case:1"]
    taken = assemble(pool, np.ones(len(pool.key)), 150, np.random.default_rng(0))
    talks = [pool.corpus[int(row)] for row in taken.rows]
    assert len({talk.id for talk in talks}) == 150
    noisy = sum(pool.member[row] == 1 for row in taken.rows)
    assert 45 <= noisy <= 105
    assert all(t.text == t.text.lower() for row in taken.rows if pool.member[row] == 1
               for t in pool.corpus[int(row)].turns if t.role == "user")  # fmt: skip


def test_ids_that_two_corpora_share_are_told_apart() -> None:
    talk = Conversation("1", (Turn("user", "hi"),), user_id="u")
    found = apart({"a": Corpus([talk]), "b": Corpus([talk]), "c": Corpus([Conversation("2", talk.turns)])})
    assert [corpus[0].id for corpus in found.values()] == ["a/1", "b/1", "2"]
    assert found["a"][0].user_id == "a/u"


def test_mistakes_are_named(kinds) -> None:
    real = people((1, 1, 1), 60, 1, "r")
    with pytest.raises(UsageError, match="no mixture"):
        mix_corpora({"a": kinds["kind0"]}, real, real, seed=0)
    with pytest.raises(UsageError, match="nothing: no conversation"):
        mix_corpora({**kinds, "nothing": Corpus([])}, real, real, seed=0)
    with pytest.raises(UsageError, match="9 real users"):
        mix_corpora(kinds, real[:9], real, seed=0)
    with pytest.raises(UsageError, match="999"):
        mix_corpora(kinds, real, real, n=999, seed=0)
    with pytest.raises(UsageError, match="no conversation has a 'colour'"):
        mix_corpora(kinds, real, real, cells=("colour",), seed=0)
    with pytest.raises(UsageError, match="cannot fit on smell"):
        mix_corpora(kinds, real, real, families=("smell",), seed=0)
    with pytest.raises(UsageError, match="channel 'telex'"):
        mix_corpora(kinds, real, real, channels=("telex",), seed=0)


def test_what_cannot_judge_says_so(kinds) -> None:
    found = judge_mixture(people((1, 1, 1), 60, 1), kinds["kind0"][:20], kinds, judges_for(FIT), seed=0)
    assert found.value is None
    assert "20 conversations" in found.reason
    small = {**kinds, "few": kinds["kind0"][:5]}
    found = judge_mixture(people((1, 1, 1), 60, 1), kinds["kind0"], small, judges_for(FIT), seed=0)
    assert found.evidence["members_too_small_to_judge"] == ["few"]
    assert "few" not in found.evidence["against"]


def test_a_member_that_is_the_real_people_is_named(kinds) -> None:
    real, judges = people((1, 1, 1), 60, 1, "r"), people((1, 1, 1), 60, 2, "j")
    corpora = {"plain": kinds["kind0"], "fitted": Corpus(list(real)), "judged": Corpus(list(judges))}
    flags = mix_corpora(corpora, real, judges, seed=0).measurement.evidence["flags"]
    assert any("conversations of fitted" in flag and "fitted on" in flag for flag in flags)
    assert any("conversations of judged" in flag and "judge" in flag for flag in flags)
    assert not any("of plain" in flag for flag in flags)


def test_a_member_fitted_to_the_people_who_judge_is_flagged(kinds) -> None:
    real, judges = people((1, 1, 1), 60, 1, "r"), people((1, 1, 1), 60, 2, "j")
    whole = Corpus([*real, *judges])

    def by(to: Corpus) -> Corpus:
        origin = {"simulator": f"fitted:guarded:{to.digest[:12]}:0"}
        return Corpus([msgspec.structs.replace(talk, provenance=origin) for talk in kinds["kind0"]])

    def flags(to: Corpus) -> list[str]:
        corpora = {"mine": by(to), "plain": kinds["kind1"]}
        found = mix_corpora(corpora, real, judges, whole=whole, seed=0).measurement.evidence["flags"]
        return [flag for flag in found if "contaminated" in flag]

    assert flags(people((1, 1, 1), 60, 3, "o")) == []
    assert flags(judges)[0].startswith("mine: contaminated: 100%")
    assert flags(whole)[0].startswith("mine: contaminated: 100%")
    assert "its weight is too high" in flags(real)[0]
