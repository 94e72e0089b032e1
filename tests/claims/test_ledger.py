"""The ledger: it only grows, survives a torn line, and compares like with like."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.claims.ledger import Entry, append, by_data, change, latest, read_ledger
from understudy.claims.verdict import Row
from understudy.errors import CorpusError


def entry(outcome: str = "held", *, claim: str = "a", data: str = "d", version: int = 1, why: str = "") -> Entry:
    row = Row(corpus="c", measure="m", outcome=outcome, why=why, value=1.0, interval=(0.5, 2.0), version=version)  # type: ignore[arg-type]
    return Entry(
        claim=claim, outcome=outcome, why=why, date="2026-01-02T00:00:00+00:00", commit="abc", version="0", backend="p",  # type: ignore[arg-type]
        seed=0, seconds=0.1, data={"c": data}, rows=(row,),
    )  # fmt: skip


@given(whys=st.lists(st.text(), min_size=1, max_size=5))
def test_what_is_added_is_read_again_and_nothing_before_it_changes(
    whys: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    before = b""
    for why in whys:
        append(file, entry(why=why))
        assert file.read_bytes().startswith(before)
        before = file.read_bytes()
    assert [found.why for found in read_ledger(file)] == whys


@pytest.mark.parametrize("cut", [1, 5, 50, 150])
def test_a_torn_line_is_left_out_and_the_next_verdict_is_whole(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "ledger.jsonl"
    append(file, entry(why="first"))
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:cut])
    assert [found.why for found in read_ledger(file)] == ["first"]
    append(file, entry(why="second"))
    assert [found.why for found in read_ledger(file)] == ["first", "second"]


def test_a_line_that_is_no_verdict_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(b'{"id": "conversation"}\n')
    with pytest.raises(CorpusError, match="line 1: no verdict"):
        read_ledger(file)


def test_no_file_is_an_empty_ledger(tmp_path: Path) -> None:
    assert read_ledger(tmp_path / "none") == []


def test_verdicts_are_compared_only_where_they_can_be() -> None:
    assert change([entry()]) == "first verdict"
    assert change([entry(), entry()]) == "as on 2026-01-02"
    assert change([entry(), entry("refuted")]) == "was held on 2026-01-02"
    assert change([entry(), entry("refuted", data="e")]) == "first verdict on these data"
    assert change([entry(), entry("refuted", data="e"), entry()]) == "as on 2026-01-02"
    assert [len(group) for group in by_data([entry(), entry(data="e"), entry()])] == [1, 2]
    assert "measured otherwise than the one before (m)" in change([entry(), entry("refuted", version=2)])


def test_the_last_verdict_of_each_claim() -> None:
    last = latest([entry(), entry("refuted"), entry(claim="b")])
    assert (last["a"].outcome, last["b"].outcome) == ("refuted", "held")
    assert msgspec.json.decode(msgspec.json.encode(last["a"]), type=Entry) == last["a"]
