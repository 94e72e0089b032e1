"""The record: round trips, flatness, tolerance, the published schema."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.reports.constructed import all_measurements, scored, spec, whole_report
from understudy.conversations import Conversation, Turn
from understudy.errors import UsageError
from understudy.reports.report import Example, load_report, make_report, save_report
from understudy.reports.schema import report_schema, schema_text

PUBLISHED = Path(__file__).parents[2] / "docs" / "report.schema.json"


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    report = whole_report()
    page = save_report(report, tmp_path / "new" / "folder")
    assert page.name == "report.html"
    assert load_report(page.parent) == report
    assert load_report(page.parent / "report.json") == report
    assert sorted(f.name for f in page.parent.iterdir()) == ["report.html", "report.json"]


def test_parts_are_flat_and_found_again() -> None:
    report = whole_report()
    assert all(not m.parts for m in report.measurements)
    names = [m.name for m in report.headlines]
    assert names == [m.name for m in all_measurements()]
    ladder = report.parts_of(report.headlines[0])
    assert [m.name.rpartition(".")[2] for m in ladder][-2:] == ["behaviours", "all"]
    # A part with a declaration of its own is still a part.
    assert "realism.messiness.hedges" not in names


def test_json_has_the_designed_shape(tmp_path: Path) -> None:
    save_report(whole_report(), tmp_path)
    data = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert data["schema"] == "understudy.report/1"
    assert set(data["verdicts"]) == {"real", "rank", "train", "carry"}
    first = data["measurements"][0]
    assert set(first["n"]) == {"real", "synthetic"}
    assert set(first["n"]["real"]) == {"users", "conversations", "turns"}
    assert {"value", "interval", "p_value", "adjusted_p", "floor", "ceiling", "status", "spec", "evidence"} <= set(
        first
    )
    assert set(first["floor"]) >= {"value", "interval"}
    unscored = [m for m in data["measurements"] if m["status"] == "unscored"]
    assert unscored
    assert all(m["value"] is None and m["reason"] for m in unscored)


def test_evidence_becomes_plain_data(tmp_path: Path) -> None:
    odd = {"a": np.float64(1.5), "b": np.arange(2), "c": float("nan"), "d": (1, 2), 3: "x\ud800", "e": Path("p")}
    report = make_report([scored(spec("realism.odd", "?", "none"), 1.0, 0.1, evidence=odd)])
    assert dict(report.measurements[0].evidence) == {
        "a": 1.5,
        "b": [0, 1],
        "c": None,
        "d": [1, 2],
        "3": "x\ufffd",
        "e": "p",
    }
    assert load_report(save_report(report, tmp_path).parent) == report


def test_examples_keep_what_a_reader_needs_and_no_more() -> None:
    talk = Conversation("a", (Turn("user", "hi", meta={"ip": "10.0.0.1"}),), user_id="u", meta={"secret": 1})
    shown = make_report([], examples=[Example("real", talk)]).examples[0].conversation
    assert (shown.id, shown.user_id, shown.turns) == ("a", "u", (Turn("user", "hi"),))
    assert not shown.meta


def test_schema_is_published_in_step() -> None:
    remedy = "write_schema('docs/report.schema.json') of understudy.reports.schema"
    assert PUBLISHED.read_text("utf-8") == schema_text(), f"out of date; run {remedy}"


def test_schema_covers_every_key_of_a_report(tmp_path: Path) -> None:
    data = json.loads(msgspec.json.encode(whole_report()))
    definitions = report_schema()["$defs"]
    assert set(data) == set(definitions["Report"]["properties"])
    known = set(definitions["Measurement"]["properties"])
    assert all(set(m) <= known for m in data["measurements"])


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema": "understudy.report/2"}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_file_that_is_no_report_is_refused_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(UsageError, match="is not a report"):
        load_report(tmp_path)


def test_a_missing_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_report(tmp_path / "nowhere")


def test_a_failed_write_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_report(make_report([]), tmp_path)
    before = (tmp_path / "report.json").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UsageError, match="No space left") as caught:
        save_report(whole_report(), tmp_path)
    assert "free some space" in caught.value.fix
    assert (tmp_path / "report.json").read_bytes() == before
    assert sorted(f.name for f in tmp_path.iterdir()) == ["report.html", "report.json"]
