"""Scores as they come: hostile, huge, tied, repeated, shuffled. The verb tells, or stays what it was."""

import json

import numpy as np
import pytest

from tests.cli.running import run
from tests.transfer.ranking_worlds import panels
from understudy.errors import MeasureError
from understudy.transfer.rank_correlation import kendall_tau, spearman_rho
from understudy.transfer.ranking import rank
from understudy.transfer.score_reading import read_scores
from understudy.transfer.scores import Scores, compared_systems
from understudy.transfer.split_half import human_ceiling, split_half_curve


def rows(users: int, systems: int, name: str, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    won = rng.random((users, systems)) < np.linspace(0.2, 0.8, systems)
    return [f"s{k},{int(won[u, k])},{name}{u}" for u in range(users) for k in range(systems)]


def table(path, lines: list[str], encoding: str = "utf-8"):
    path.write_text("system,score,user\n" + "\n".join(lines) + "\n", encoding)
    return path


def told(capsys, simulated, real, *more):
    ran = run(capsys, "rank", simulated, "--real", real, "--json", "--quiet", *more)
    return ran, json.loads(ran.out) if ran.code == 0 else None


def without_paths(report) -> str:
    return json.dumps(report["measurements"], sort_keys=True)


def test_the_order_of_rows_changes_nothing(tmp_path, capsys):
    real, sim = rows(30, 5, "r", 1), rows(40, 5, "m", 2)
    one = told(capsys, table(tmp_path / "a.csv", sim), table(tmp_path / "b.csv", real))[1]
    rng = np.random.default_rng(0)
    for lines, name in ((sim, "a.csv"), (real, "b.csv")):
        table(tmp_path / name, [lines[k] for k in rng.permutation(len(lines))])
    assert without_paths(told(capsys, tmp_path / "a.csv", tmp_path / "b.csv")[1]) == without_paths(one)


@pytest.mark.parametrize("score", ["inf", "-Infinity", "1e308", "-1e200", "9" * 400])
def test_scores_without_an_average_are_refused(score, tmp_path, capsys):
    sim = table(tmp_path / "a.csv", [f"s0,{score},u", *rows(20, 4, "m", 2)])
    ran, _ = told(capsys, sim, table(tmp_path / "b.csv", rows(20, 4, "r", 1)))
    assert ran.code == 2
    assert "infinite" in ran.err


def test_missing_scores_and_negative_ones_are_read(tmp_path, capsys):
    sim = [line.replace(",1,", ",-3,") for line in rows(40, 4, "m", 2)]
    sim = table(tmp_path / "a.csv", ["s0,NaN,m0", "s1,,m1", *sim])
    report = told(capsys, sim, table(tmp_path / "b.csv", rows(40, 4, "r", 1)))[1]
    assert report["measurements"][0]["value"] < 0
    assert report["measurements"][0]["n"]["synthetic"]["conversations"] == 160


def test_labels_however_long_or_strange_stay_apart(tmp_path, capsys):
    formula, markup = "\"=cmd|' /C calc'!A0\"", '"<script>alert(1)</script>"'
    names = {"s0": formula, "s1": markup, "s2": "x" * 200_000 + "y", "s3": "x" * 200_000 + "z", "s4": "s\0"}

    def hostile(lines):
        return [line.replace(line[:2], names[line[:2]], 1) for line in lines]

    sim = table(tmp_path / "a.csv", hostile(rows(20, 5, "m", 2)))
    real = table(tmp_path / "b.csv", hostile(rows(20, 5, "r", 1)))
    systems = np.unique(read_scores(sim).system)
    assert len(systems) == 5
    assert max(map(len, systems.tolist())) <= 200
    assert told(capsys, sim, real, "--out", tmp_path / "r")[0].code == 0
    assert "<script>alert" not in (tmp_path / "r" / "report.html").read_text("utf-8")


def test_whole_numbers_in_a_table_of_fractions_stay_apart(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"system": "a", "score": 1, "user": 1e7 + k}) for k in range(5)), "utf-8")
    assert read_scores(path).unit.tolist() == [str(10**7 + k) for k in range(5)]


def test_repeated_rows_of_the_same_users_give_no_certainty():
    def of(lines):
        system, score, unit = zip(*(line.split(",") for line in lines), strict=True)
        return Scores(np.array(system), np.array(score, dtype=float), np.array(unit))

    real = of(rows(40, 8, "r", 1))
    once, thrice = (rank(real, {"sim": of(rows(40, 8, "m", 2) * k)}, seed=0)[0] for k in (1, 3))
    assert once.value == thrice.value
    assert thrice.interval == pytest.approx(once.interval, abs=0.02)


def test_too_many_systems_are_refused_before_their_pairs_are_made():
    many = Scores(np.repeat([f"s{k}" for k in range(1000)], 2), np.arange(2000.0), np.tile(np.array(["u", "v"]), 1000))
    with pytest.raises(MeasureError, match="1,000 systems"):
        compared_systems(many, [many])


@pytest.mark.parametrize("correlation", [kendall_tau, spearman_rho])
def test_many_vectors_at_once_are_the_same_as_one_by_one(correlation, monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1, 30, 6)).round(1), rng.normal(size=(4, 30, 6)).round(1)
    whole = correlation(x, y)
    monkeypatch.setattr("understudy.transfer.rank_correlation.MOST_SIGNS", 100)
    assert correlation(x, y).tolist() == whole.tolist()


def test_halves_have_every_system_where_users_meet_one_each():
    """Two users a system: one comes into each half, every time; halves of chance would hardly ever be complete."""
    panel = panels()["stars, one system each"]._replace(users=2)
    curve = split_half_curve(panel.study(np.random.default_rng(0)), "kendall", rng=np.random.default_rng(1), splits=50)
    assert [point.users for point in curve] == [9]


@pytest.mark.parametrize("name", sorted(panels()))
def test_the_ceiling_is_what_brute_force_says_on_other_worlds(name):
    panel = panels()[name]
    rng = np.random.default_rng(3)
    truth = float(np.nanmean(kendall_tau(panel.means(400, rng), panel.means(400, rng, panel.other))))
    found = [human_ceiling(panel.study(rng), "kendall", rng=rng, other=panel.other, splits=60) for _ in range(12)]
    room = {"all equal": 0.3, "one stands out": 0.2}.get(name, 0.12)  # a ceiling is never below 0
    assert np.mean([c.value for c in found]) == pytest.approx(truth, abs=room)
    assert np.mean([c.interval[0] <= max(truth, 0) + 0.01 and truth <= c.interval[1] for c in found]) >= 0.75
