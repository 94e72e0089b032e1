"""The audit as a whole: corrected, reproducible, with ceilings, and silent on halves of the same people."""

import msgspec
import numpy as np
import pytest

from understudy.conversations import Corpus
from understudy.errors import MeasureError, UsageError
from understudy.measures.measurement import Counts, Measurement, MeasureSpec
from understudy.reports.audit import DEFAULT_MEASURES, adjust, audit, load_measure, run_measures
from understudy.reports.html import render_html
from understudy.sample import sample_corpus
from understudy.testing.degrade import assistant_voice

SPEC = MeasureSpec("x.y", "real", "?", "", (0, 1), "lower", "")
N = {"real": Counts(1, 1, 1), "synthetic": Counts(1, 1, 1)}


def made(name, p, parts=()):
    return Measurement(name=name, value=0.5, status="scored", n=N, spec=SPEC, p_value=p, parts=parts)


@pytest.fixture(scope="module")
def sides():
    corpus = sample_corpus()
    users = np.unique(corpus.unit_ids)
    # Halved at random: neighbours among the sample's users were written together and differ by design.
    first = np.isin(corpus.unit_ids, np.random.default_rng(2).permutation(users)[::2])
    return corpus.subset(np.flatnonzero(first)), corpus.subset(np.flatnonzero(~first))


def test_a_part_is_never_claimed_before_its_measure():
    parts = (made("a.p", 0.001), made("a.q", 0.6))
    adjusted = adjust([made("a", 0.2, parts), made("b", 0.01)])
    assert adjusted[0].adjusted_p == 0.2
    assert adjusted[1].adjusted_p == 0.02
    assert [p.adjusted_p for p in adjusted[0].parts] == [0.2, 0.6]


def test_what_is_asked_besides_leaves_the_headline_tests_as_they_are():
    asked = [made("a", 0.01), made("b", 0.03)]
    alone = [m.adjusted_p for m in adjust(asked)]
    train = msgspec.structs.replace(SPEC, question="train")
    besides = [msgspec.structs.replace(made(name, p), spec=train) for name, p in (("t.u", 0.02), ("t.v", 0.04))]
    together = adjust([*asked, *besides])
    assert [m.adjusted_p for m in together[:2]] == alone == [0.02, 0.03]
    assert [m.adjusted_p for m in together[2:]] == [0.04, 0.04]


def test_untested_measures_are_left_out_of_the_family():
    silent = msgspec.structs.replace(made("a", 0.5), p_value=None)
    adjusted = adjust([silent, made("b", 0.04)])
    assert adjusted[0].adjusted_p is None
    assert adjusted[1].adjusted_p == 0.04


def test_the_same_seed_gives_the_same_report(sides):
    real, other = sides
    chosen = ["realism.discriminator", "realism.messiness", "separability.icc"]
    reports = [audit(real, other, seed=3, permutations=59, measures=chosen) for _ in range(2)]
    first, second = (msgspec.json.encode(r.measurements) for r in reports)
    assert first == second


def test_leaving_a_measure_out_changes_no_other(sides):
    real, other = sides
    both, _ = run_measures(real, other, seed=1, permutations=19, measures=["realism.coverage", "realism.diversity"])
    alone, _ = run_measures(real, other, seed=1, permutations=19, measures=["realism.diversity"])
    assert both[1].value == alone[0].value
    assert both[1].p_value == alone[0].p_value


def test_people_against_people_are_not_told_apart_and_a_spoiled_set_is(sides):
    real, other = sides
    chosen = ["realism.discriminator", "realism.messiness"]
    quiet = audit(real, other, seed=0, permutations=199, measures=chosen)
    assert all(m.adjusted_p > 0.05 for m in quiet.headlines)
    spoiled = assistant_voice(other, rng=np.random.default_rng(0))
    loud = audit(real, spoiled, seed=0, permutations=199, measures=chosen)
    assert all(m.adjusted_p <= 0.05 for m in loud.headlines)
    assert loud.verdicts["real"].status == "told_apart"


def test_another_real_corpus_becomes_the_ceiling_of_every_part(sides):
    real, other = sides
    report = audit(real, other, other_real=other, seed=0, permutations=19, measures=["realism.messiness"])
    scored = [m for m in report.measurements if m.value is not None]
    assert scored
    assert all(m.ceiling is not None and m.ceiling.value == pytest.approx(m.value) for m in scored)


def test_provenance_says_what_was_compared_and_how(sides):
    real, other = sides
    report = audit(real, other, seed=5, permutations=19, measures=["separability.dispersion"])
    p = report.provenance
    assert p["seed"] == 5
    assert p["corpora"]["real"]["digest"] == real.digest
    assert "Topic was" in p["matching"]["topic"] or "Matched" in p["matching"]["topic"]


def test_every_default_measure_loads_and_bad_names_list_the_good_ones():
    for name in DEFAULT_MEASURES:
        assert load_measure(name).spec.name == name
    with pytest.raises(UsageError, match="no measure"):
        load_measure("realism.nothing")


def test_empty_sides_and_too_few_permutations_are_refused(sides):
    real, other = sides
    with pytest.raises(UsageError, match="no conversation"):
        audit(real, Corpus([]), seed=0)
    with pytest.raises(MeasureError, match="permutations"):
        audit(real, other, seed=0, permutations=5)


def test_users_fitted_to_these_people_are_told_before_all_else(sides):
    people, others = sides

    def looks(fitted_to):
        origin = {"simulator": f"fitted:guarded:{fitted_to.digest[:12]}:0"}
        made = Corpus([msgspec.structs.replace(talk, provenance=origin) for talk in others])
        return audit(people, made, measures=["realism.messiness"], permutations=19)

    clean, contaminated = looks(others), looks(people)
    assert "contaminated" not in clean.provenance
    assert contaminated.verdicts["real"].sentence.startswith("Contaminated: 100% of the synthetic conversations")
    assert clean.verdicts["real"].sentence in contaminated.verdicts["real"].sentence
    assert contaminated.provenance["matching"]["contaminated"].startswith("Contaminated")
    assert "Contaminated" in render_html(contaminated)
