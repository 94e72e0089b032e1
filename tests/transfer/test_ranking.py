"""The measurements of a ranking hold together, through the report and the command line."""

import json

import numpy as np
import pytest

from tests.cli.running import run
from tests.transfer.ranking_worlds import people, simulators
from understudy.errors import MeasureError, UsageError
from understudy.measures.measurement import flatten
from understudy.reports.report import load_report, make_report, save_report
from understudy.transfer.partner_ranking import partner_scores
from understudy.transfer.ranking import rank
from understudy.transfer.scores import Scores


def study(name: str, users: int, seed: int, *, systems: int = 8, spoiled: float = 0.0) -> Scores:
    """Users who meet every system on an item each; items are named, so that studies pair."""
    law = simulators(people(8))[name]
    rng = np.random.default_rng([seed, len(name)])
    ease = np.random.default_rng(99).normal(size=(400, 8))[:users]
    p = 1 / (1 + np.exp(-(law.quality + law.item * ease + law.user * rng.normal(size=(users, 1)))))
    score = (rng.random(p.shape) < p).astype(float)[:, :systems]
    who, which = np.indices(score.shape)
    faulty = rng.random(score.size) < spoiled
    return Scores(
        system=np.char.add("s", which.ravel().astype(str)),
        score=np.where(faulty, 0.0, score.ravel()),
        unit=np.char.add(f"{seed}u", who.ravel().astype(str)),
        item=np.char.add("i", who.ravel().astype(str)),
        difficulty=-ease[:, :systems].ravel(),
        slices={"age": np.where(who.ravel() % 2 == 1, "old", "young")},
        spoiled=faulty if spoiled else None,
        has_users=True,
    )


@pytest.fixture(scope="module")
def found():
    simulated = {"good": study("perfect", 300, 2, spoiled=0.05), "bad": study("misleading", 300, 3)}
    return {m.name: m for m in rank(study("perfect", 50, 1), simulated, seed=0, budget=100)}


def test_all_questions_are_answered(found):
    assert list(found) == [
        "ranking.tau", "ranking.spearman", "ranking.calibration", "ranking.prediction_powered", "ranking.stability",
    ]  # fmt: skip
    assert all(m.spec.question == "rank" and m.status == "scored" for m in found.values())
    tau = found["ranking.tau"]
    assert tau.interval[0] <= tau.value <= tau.interval[1]
    assert tau.ceiling.interval[0] < tau.ceiling.value < tau.ceiling.interval[1]
    assert "halves of 25 users" in tau.ceiling.note
    assert tau.evidence["descriptive"] is False
    table = tau.evidence["systems"]
    assert table["real"] == sorted(table["real"], reverse=True)
    assert len(tau.evidence["p_order"]["first"]) == 28
    assert [m.evidence["by"] for m in found["ranking.calibration"].parts] == ["difficulty", "age", "system"]


def test_prediction_powered_parts_are_named_by_system(found):
    whole = found["ranking.prediction_powered"]
    assert {m.name for m in whole.parts} == {f"ranking.prediction_powered.s{k}" for k in range(8)}
    for part in whole.parts:
        assert part.evidence["n"] == 50
        assert part.evidence["n_effective"] >= 50
        assert part.interval[1] - part.interval[0] <= 1.05 * (part.evidence["human_high"] - part.evidence["human_low"])
    assert whole.value == pytest.approx(whole.evidence["n_effective"] / whole.evidence["n"])
    assert sum(whole.evidence["spend"]["systems"]["buy"]) == 100


def test_a_swapped_simulator_and_spoiled_episodes_show(found):
    stability = found["ranking.stability"]
    assert stability.value < -0.5
    best = dict(zip(*(stability.evidence["decisions"][k] for k in ("simulator", "best")), strict=True))
    assert best["bad"] in ("s0", "s1")
    assert stability.evidence["flipped"]
    spoiled = found["ranking.tau"].evidence["spoiled"]
    assert 0.03 < spoiled["share"] < 0.07
    with_them, without = (np.array(spoiled["systems"][k]) for k in ("with", "without"))
    assert (without > with_them).all()


def test_the_same_seed_gives_the_same_numbers_and_a_report_keeps_them(found, tmp_path):
    simulated = {"good": study("perfect", 300, 2, spoiled=0.05), "bad": study("misleading", 300, 3)}
    again = rank(study("perfect", 50, 1), simulated, seed=0, budget=100)
    report = make_report(again)
    save_report(report, tmp_path)
    kept = {m.name: m for m in load_report(tmp_path).measurements}
    for m in flatten(list(found.values())):
        assert kept[m.name].value == m.value
    assert report.verdicts["rank"].status != "not_asked"


def test_few_systems_are_descriptive_and_unpaired_ones_unscored():
    real, simulated = study("perfect", 30, 1, systems=4), study("perfect", 30, 2, systems=4)
    bare = Scores(simulated.system, simulated.score, simulated.unit)
    found = {m.name: m for m in rank(real, {"sim": bare}, seed=0)}
    assert found["ranking.tau"].evidence["descriptive"] is True
    assert any("descriptive" in flag for flag in found["ranking.tau"].evidence["flags"])
    assert found["ranking.prediction_powered"].status == "unscored"
    assert "no item in common" in found["ranking.prediction_powered"].reason
    assert "ranking.stability" not in found
    with pytest.raises(MeasureError, match="no simulated"):
        rank(real, {}, seed=0)


def test_systems_that_all_score_the_same_are_unscored():
    real = study("perfect", 30, 1)
    flat = Scores(real.system, np.ones(len(real)), real.unit)
    found = {m.name: m for m in rank(real, {"flat": flat}, seed=0)}
    assert found["ranking.tau"].status == "unscored"
    assert "same score" in found["ranking.tau"].reason


def test_partners_run_now_meet_the_same_users():
    from understudy.rollouts.partners import function_partner
    from understudy.users import Goal
    from understudy.users.structured import StructuredPopulation

    def broken(history):
        raise ValueError("down")

    users = StructuredPopulation([Goal(entities=(("area", area),)) for area in ("north", "south")])
    partners = {
        "asks": function_partner(lambda history: "Which area?"),
        "mute": function_partner(lambda history: "Hm."),
        "down": function_partner(broken),
    }
    scores = partner_scores(
        users, partners, lambda talk: float(len(talk.turns) > 1 and "?" in talk.turns[1].text), n=12, seed=3
    )
    assert len(scores) == 36
    by_system = {name: scores.take(scores.system == name) for name in partners}
    assert by_system["asks"].unit.tolist() == by_system["mute"].unit.tolist()
    assert by_system["asks"].score.mean() == 1.0
    assert by_system["down"].score.mean() == 0.0  # the partner's own fault counts against it
    assert not scores.spoiled.any()
    measured = rank(scores, {"again": scores}, seed=0)
    assert measured[0].value == pytest.approx(1.0)
    with pytest.raises(UsageError, match="1 partner"):
        partner_scores(users, {"asks": partners["asks"]}, lambda talk: 1.0, n=1, seed=0)
    with pytest.raises(UsageError, match="nan"):
        partner_scores(users, partners, lambda talk: float("nan"), n=1, seed=0)


def csv_of(path, scores: Scores):
    lines = ["system,score,user,item,difficulty,age"]
    columns = (scores.system, scores.score, scores.unit, scores.item, scores.difficulty, scores.slices["age"])
    lines += [",".join(str(cell) for cell in row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_the_verb(tmp_path, capsys):
    real, sim, other = (
        csv_of(tmp_path / f"{name}.csv", study(kind, users, seed))
        for name, kind, users, seed in (
            ("real", "perfect", 40, 1),
            ("sim", "noisy", 100, 2),
            ("bad", "misleading", 60, 3),
        )
    )
    ran = run(
        capsys, "rank", sim, other, "--real", real, "--slice", "age", "--precision", "0.1", "--out", tmp_path / "r"
    )
    assert ran.code == 0, ran.err
    assert ran.out.startswith("The order of 8 systems under simulated users against their order under people:")
    assert "ranking.tau:" in ran.out
    assert ran.out.count("common to all") == 3
    assert all(f"\n{by} " in ran.out for by in ("difficulty", "age", "system"))
    assert "pairs in people's order" in ran.out
    assert "human ceiling" in ran.out
    assert "within ±0.100" in ran.out
    assert (tmp_path / "r" / "report.html").exists()
    told = run(capsys, "rank", sim, "--real", real, "--json", "--quiet")
    report = json.loads(told.out)
    assert report["schema"] == "understudy.report/1"
    assert told.err == ""
    assert report["provenance"]["verb"] == "rank"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sim.csv", "--real", "sim.csv"], "both sides"),
        (["sim.csv", "--real", "absent.csv"], "no such file"),
        (["sim.csv", "--real", "real.csv", "--score", "age"], "--value 'young=1'"),
        (["sim.csv", "--real", "real.csv", "--value", "old"], "WORD=N"),
        (["sim.csv", "--real", "real.csv", "--precision", "0"], "--precision 0"),
        (["sim.csv", "--real", "real.csv", "--budget", "0"], "--budget 0"),
        (["sim.csv", "--real", "real.csv", "--system", "item", "--item", "system"], "systems have scores"),
    ],
)
def test_mistakes_are_told_with_their_remedy(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    csv_of(tmp_path / "real.csv", study("perfect", 3, 1))
    csv_of(tmp_path / "sim.csv", study("perfect", 3, 2))
    if "item" in arguments:
        csv_of(tmp_path / "sim.csv", study("perfect", 1, 2))
    ran = run(capsys, "rank", *arguments)
    assert ran.code == 2
    assert said in ran.err
    assert "fix:" in ran.err
