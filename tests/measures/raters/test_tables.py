"""The export reads back as it was written, in either format, and runs in no spreadsheet."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import pytest

from understudy.errors import UsageError
from understudy.measures.raters.records import ChatTurn, PanelRecord
from understudy.measures.raters.tables import encoded, read_panel
from understudy.testing.raters import simulated_panel

NASTY = ("=cmd|' /C calc'!A0", "+1", "-1", "@x", "\t=1", "'=1", "''", 'a,b"c\r\nd', "", "\ud800")


@pytest.fixture
def panel() -> PanelRecord:
    made = simulated_panel(3, seed=0)
    first = msgspec.structs.replace(
        made.raters[0], chat=tuple(ChatTurn("user", text) for text in NASTY), finished=False
    )
    told = {**made.settings, "partner": "=evil", "synthetic": {"digest": "abc", "source": "=x"}}
    return msgspec.structs.replace(made, raters=(first, *made.raters[1:]), withdrawn=2, settings=told)


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_what_is_written_is_read(panel: PanelRecord, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"answers{suffix}"
    file.write_bytes(encoded(panel, suffix))
    chat = tuple(ChatTurn("user", text.replace("\ud800", "\ufffd")) for text in NASTY)
    expected = msgspec.structs.replace(
        panel, raters=(msgspec.structs.replace(panel.raters[0], chat=chat), *panel.raters[1:])
    )
    assert read_panel(file) == expected


def test_no_cell_is_a_formula(panel: PanelRecord) -> None:
    rows = list(csv.reader(encoded(panel, ".csv").decode().splitlines(keepends=True)))
    assert not [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"schema": "understudy.report/1"}',
        "a,b\n1,2\n",
        "[1]",
        "\x00\xff",
        '{"schema":"understudy.panel/1","raters":[{"id":1}]}',
    ],
)
def test_anything_else_is_refused_with_its_remedy(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text, "latin-1")
    if text == "{}":  # An empty record is one: nobody has taken part.
        assert read_panel(file).raters == ()
        return
    with pytest.raises(UsageError, match="is no export of a panel"):
        read_panel(file)


def test_a_table_with_a_broken_row_is_refused(panel: PanelRecord, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    whole = encoded(panel, ".csv").decode()
    for bad in ("1,pair,zero,p,,a,a,,,,,", "1,pair,0,p,,left,a,,,,,", "1,nothing,,,,,,,,,,", "1,pair,0"):
        file.write_text(whole + bad + "\r\n", "utf-8")
        with pytest.raises(UsageError, match="is no export of a panel"):
            read_panel(file)
    with pytest.raises(UsageError, match="cannot be read"):
        read_panel(tmp_path / "absent.json")
    with pytest.raises(UsageError, match=r"\.json or \.csv"):
        encoded(panel, ".xlsx")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"item":"natural","points":', '"item":"natural","points":9', "on a scale of 1 to 5"),
        ('"item":"natural","points":', '"item":"natural","points":-', "on a scale of 1 to 5"),
        ('"item":"natural"', '"item":"charming"', "no statement 'charming'"),
        ('"item":"natural"', '"item":"consistent"', "two of rating of"),
        ('"key":"warm"', '"key":"cosy"', "no line of the questionnaire 'cosy'"),
        ('"key":"warm"', '"key":"attention"', "two of answer to 'attention'"),
        ('"key":"warm","point":', '"key":"warm","point":9', "on a scale of 1 to 7"),
        ('"withdrawn":2', '"withdrawn":-2', "-2 raters withdrew"),
        ('{"id":"2"', '{"id":"3"', "two of rater '3'"),
        ('"real_side":', '"seconds":9e99,"real_side":', "9e\\+99 seconds"),
    ],
)
def test_answers_that_no_page_takes_are_refused(
    panel: PanelRecord, tmp_path: Path, old: str, new: str, why: str
) -> None:
    file = tmp_path / "x.json"
    whole = msgspec.json.encode(msgspec.to_builtins(msgspec.structs.replace(panel, raters=panel.raters[1:]))).decode()
    assert old in whole
    file.write_text(whole.replace(old, new, 1))
    with pytest.raises(UsageError, match=why):
        read_panel(file)


def test_a_judgement_counts_once(panel: PanelRecord, tmp_path: Path) -> None:
    first = panel.raters[1]
    twice = msgspec.structs.replace(first, judgements=first.judgements * 2)
    for suffix in (".json", ".csv"):
        file = tmp_path / f"x{suffix}"
        file.write_bytes(encoded(msgspec.structs.replace(panel, raters=(twice,)), suffix))
        with pytest.raises(UsageError, match="two of judgement of"):
            read_panel(file)
