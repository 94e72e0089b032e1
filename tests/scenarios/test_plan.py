"""PLAN.toml: what is not understood is refused by name, and nothing is ignored."""

from __future__ import annotations

import pytest

from understudy.errors import UsageError
from understudy.scenarios.plan import load_plan, parse_plan

TOPIC = [{"name": "films"}]


@pytest.mark.parametrize(
    ("data", "what", "fix"),
    [
        ({"n": 5, "topik": TOPIC}, "topik", "'topic'"),
        ({"n": 5, "topic": TOPIC, "contexts": {"mediun": {"sms": 1}}}, "mediun", "'medium'"),
        ({"n": 5, "topic": [{"name": "a", "wieght": 2}]}, "wieght", "'weight'"),
        ({"n": 5, "topic": TOPIC, "contexts": {"emotion": {"pleasd": 1}}}, "pleasd", "'pleased'"),
        (
            {
                "n": 5,
                "topic": TOPIC,
                "contexts": {"rules": [{"when": {"medum": "sms"}, "set": "typos", "to": {"none": 1}}]},
            },
            "medum",
            "'medium'",
        ),
        (
            {"n": 5, "topic": TOPIC, "contexts": {"forbid": [{"medium": "smss"}]}},
            "smss",
            "'sms'",
        ),
        ({"n": 5, "topic": TOPIC, "realisation": {"enforce": ["age"]}}, "age", "duration"),
        ({"n": 5, "topic": TOPIC, "contexts": {"fillers": {"none": 0}}}, "fillers", "weights"),
        ({"n": 0, "topic": TOPIC}, "n is out of range", "give 1 to 1,000,000"),
        ({"n": 10**9, "topic": TOPIC}, "n is out of range", "another --seed"),
        ({"n": 5, "topic": TOPIC, "writing": {"temperature": float("nan")}}, "temperature", "a number"),
        ({"n": 5, "topic": TOPIC, "writing": {"max_tokens": 0}}, "max_tokens", "at least 1"),
        ({"n": 5}, "no topic", "topics.source"),
        ({"n": 5, "topic": [*TOPIC, *TOPIC]}, "twice", "once"),
        ({"n": 5, "topic": TOPIC, "calibration": {"most_dropped": 1.0}}, "most_dropped", "below 1"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(data, what, fix) -> None:
    with pytest.raises(UsageError) as caught:
        parse_plan(data)
    assert what in caught.value.what
    assert fix in caught.value.fix


def test_a_wrong_type_names_the_place() -> None:
    with pytest.raises(UsageError, match=r"\$\.topic\[0\]\.weight"):
        parse_plan({"n": 5, "topic": [{"name": "a", "weight": "much"}]})


def test_paths_are_taken_from_the_plans_folder(tmp_path) -> None:
    (tmp_path / "plan.toml").write_text('n = 3\nreference = "real.jsonl"\n[[topic]]\nname = "a"\n')
    assert load_plan(tmp_path / "plan.toml").reference == str(tmp_path / "real.jsonl")


@pytest.mark.parametrize("text", [b"n = ", b"\xff\xfe", b"n = 3\nn = 4"])
def test_no_toml_is_said_so(tmp_path, text) -> None:
    (tmp_path / "plan.toml").write_bytes(text)
    with pytest.raises(UsageError, match="no TOML"):
        load_plan(tmp_path / "plan.toml")


def test_a_missing_file_is_said_so(tmp_path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_plan(tmp_path / "nothing.toml")


def test_the_bundled_plan_is_a_plan() -> None:
    from pathlib import Path

    import understudy.sample

    assert load_plan(Path(understudy.sample.__file__).parent / "plan.toml").n == 60
