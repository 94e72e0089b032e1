"""Scores come out of tables and corpora alike, and what cannot be a score is refused with its remedy."""

import json

import numpy as np
import polars as pl
import pytest

from understudy.errors import CorpusError, MeasureError, UsageError
from understudy.transfer.score_reading import Columns, read_scores, value_at
from understudy.transfer.scores import compared_systems, tally

KEYS = ("system", "score", "user", "item", "difficulty", "age", "fault")
ROWS = [
    dict(zip(KEYS, row, strict=True))
    for row in (
        ("a", 1, "u1", "i1", 0.5, "old", ""),
        ("b", 0.25, "u1", "i2", None, "young", "user: empty"),
        ("b", None, None, "i3", 2, "old", "partner: raised"),
    )
]


def write(folder, rows, suffix: str):
    path = folder / f"scores{suffix}"
    if suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    elif suffix == ".json":
        path.write_text(json.dumps(rows), "utf-8")
    elif suffix == ".csv":
        pl.DataFrame(rows).write_csv(path)
    else:
        pl.DataFrame(rows).write_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_a_table_in_any_container(tmp_path, suffix):
    scores = read_scores(write(tmp_path, ROWS, suffix), Columns(slices=("age",)))
    assert scores.system.tolist() == ["a", "b", "b"]
    assert scores.score.tolist()[:2] == [1.0, 0.25]
    assert np.isnan(scores.score[2])
    assert scores.unit.tolist() == ["u1", "u1", "row 2"]
    assert scores.item.tolist() == ["i1", "i2", "i3"]
    assert scores.slices["age"].tolist() == ["old", "young", "old"]
    assert scores.spoiled.tolist() == [False, True, False]  # a partner's fault is not the simulator's
    assert len(scores.scored) == 2


def conversation(number: int, **extra) -> dict:
    turns = [
        {"role": "user", "text": "hello"},
        {"role": "assistant", "text": "hi", "meta": {"stars": 3}},
        {"role": "user", "text": "thanks"},
        {"role": "assistant", "text": "bye", "meta": {"stars": 5}},
    ]
    return {"id": f"c{number}", "turns": turns, "user_id": f"u{number % 2}", **extra}


def test_a_corpus_carries_its_ratings_in_meta_and_in_turns(tmp_path):
    rows = [
        conversation(k, meta={"agent": "ab"[k % 2], "ratings": {"useful": ["good", "bad"][k % 2], "all": [1, 2, None]}})
        for k in range(4)
    ]
    path = write(tmp_path, rows, ".jsonl")
    words = read_scores(path, Columns(score="meta.ratings.useful", values={"good": 1.0, "bad": 0.0}))
    assert words.score.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert words.system.tolist() == ["a", "b", "a", "b"]
    assert words.unit.tolist() == ["u0", "u1", "u0", "u1"]
    assert read_scores(path, Columns(score="meta.ratings.all")).score.tolist() == [1.5] * 4
    assert read_scores(path, Columns(score="turns.meta.stars")).score.tolist() == [4.0] * 4


def test_what_lies_in_meta_needs_no_meta_in_its_path(tmp_path):
    rows = [conversation(k, meta={"agent": "ab"[k % 2], "town": "x"}) for k in range(2)]
    path = write(tmp_path, rows, ".jsonl")
    scores = read_scores(path, Columns(system="agent", score="turns.stars", slices=("town",)))
    assert scores.score.tolist() == [4.0, 4.0]
    assert scores.system.tolist() == ["a", "b"]
    assert scores.slices["town"].tolist() == ["x", "x"]


def test_a_wrong_path_is_told_what_there_is(tmp_path):
    path = write(tmp_path, [conversation(k, meta={"agent": "a", "ratings": {"useful": 1}}) for k in range(2)], ".jsonl")
    with pytest.raises(UsageError, match=r"'turns\.satisfaction'") as caught:
        read_scores(path, Columns(score="turns.satisfaction"))
    assert "turns.meta.stars" in caught.value.why
    assert "meta.ratings.useful" in caught.value.why


@pytest.mark.parametrize("many", [False, True])
def test_a_group_of_scores_is_no_score(tmp_path, many):
    ratings = {"useful": 1, "fluent": 0}
    rows = [conversation(k, meta={"agent": "a", "ratings": [ratings] if many else ratings}) for k in range(2)]
    with pytest.raises(UsageError, match="groups of values, with the keys useful, fluent") as caught:
        read_scores(write(tmp_path, rows, ".jsonl"), Columns(score="meta.ratings"))
    assert "--score meta.ratings.useful" in caught.value.fix


def test_a_rollout_that_broke_says_who_broke_it(tmp_path):
    rows = [
        conversation(0, meta={"system": "a", "score": 1}, ending={"by": "fault", "reason": "user: role_flip: x"}),
        conversation(1, meta={"system": "a", "score": 1}, ending={"by": "fault", "reason": "partner: raised: x"}),
        conversation(2, meta={"system": "a", "score": 1}, ending={"by": "user", "reason": "done"}),
    ]
    assert read_scores(write(tmp_path, rows, ".jsonl")).spoiled.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (Columns(score="stars"), "no column 'stars'"),
        (Columns(slices=("town",)), "no column 'town'"),
        (Columns(score="age"), "'old' \\(2\\)"),
    ],
)
def test_what_is_not_there_or_no_number_is_refused(tmp_path, columns, said):
    with pytest.raises(UsageError, match=said) as caught:
        read_scores(write(tmp_path, ROWS, ".jsonl"), columns)
    assert "--" in caught.value.fix


def test_broken_and_missing_files_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="no such file"):
        read_scores(tmp_path / "absent.csv")
    path = tmp_path / "broken.jsonl"
    path.write_text('{"system": "a", "score": 1}\n{"system": \n', "utf-8")
    with pytest.raises(CorpusError, match=":2"):
        read_scores(path)
    (tmp_path / "no.csv").write_text("model_name,points\na,1\n", "utf-8")
    with pytest.raises(UsageError, match="no column for the system"):
        read_scores(tmp_path / "no.csv")
    (tmp_path / "inf.csv").write_text("system,score\na,inf\n", "utf-8")
    with pytest.raises(UsageError, match="infinite"):
        read_scores(tmp_path / "inf.csv")


def test_words_given_as_missing_are(tmp_path):
    rows = [{"system": "a", "score": "n/a"}, {"system": "a", "score": "2"}, {"system": "a", "score": True}]
    scores = read_scores(write(tmp_path, rows, ".jsonl"), Columns(values={"n/a": None}))
    assert np.isnan(scores.score[0])
    assert scores.score[1:].tolist() == [2.0, 1.0]


def test_paths():
    assert value_at({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert value_at({"a": {"b": 2}}, "a.c") is None
    assert value_at({"a": 3}, "a.b") is None


def test_systems_of_one_side_only_are_left_out_and_said(tmp_path):
    def of(text: str):
        path = tmp_path / f"{len(text)}.csv"
        path.write_text("system,score,user\n" + text, "utf-8")
        return read_scores(path)

    real = of("a,1,u\na,0,v\nb,1,u\nb,1,v\nc,1,u\nc,0,v\n")
    compared = compared_systems(real, [of("a,1,u\na,0,v\nb,1,u\nb,0,v\nc,1,u\n")])
    assert compared.systems == ("a", "b")
    assert compared.left_out[0].startswith("c: ")
    with pytest.raises(MeasureError, match="1 systems"):
        compared_systems(real, [of("a,1,u\na,0,v\n")])


def test_the_covariance_of_means_is_by_user(tmp_path):
    rng = np.random.default_rng(0)
    unit = np.repeat([f"u{k}" for k in range(30)], 4)
    score = np.repeat(rng.normal(size=30), 4) + 0.1 * rng.normal(size=120)
    from understudy.measures.intervals import cluster_t_interval
    from understudy.transfer.scores import Scores

    side = tally(Scores(np.full(120, "a"), score, unit), ["a"])
    assert np.sqrt(side.covariance[0, 0]) == pytest.approx(cluster_t_interval(score, unit).standard_error)
