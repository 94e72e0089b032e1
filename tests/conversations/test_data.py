"""The corpora that the project is measured on read without a problem."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from understudy.conversations import Corpus, Turn, iter_conversations, near_duplicates, read_corpus

DATA = Path(os.environ.get("UNDERSTUDY_DATA", Path(__file__).parents[3] / "shared" / "data"))
FILES = sorted(DATA.glob("*.jsonl.zst"))
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FILES, reason=f"no corpora in {DATA}; name their folder with UNDERSTUDY_DATA"),
]


def test_every_row_is_read() -> None:
    for path in FILES:
        reading = read_corpus(path, origin="real")
        assert reading.problems == (), path.name
        assert len({talk.id for talk in reading.corpus}) == len(reading.corpus) > 0
        assert all(
            type(turn) is Turn and turn.role in ("user", "assistant") for c in reading.corpus for turn in c.turns
        )
        symmetric = any("--user-role" in note for note in reading.notes)
        assert symmetric == any(
            name in path.name
            for name in ("chatting", "dialogsum", "diasynth", "personachat", "persona_chat", "topicalchat")
        )


def test_streaming_reads_the_same() -> None:
    path = min(FILES, key=lambda file: file.stat().st_size)
    assert list(iter_conversations(path)) == list(read_corpus(path).corpus)


def test_the_known_overlap_is_found() -> None:
    names = {path.name.split(".")[0]: path for path in FILES}
    if not {"redial_real", "uss_redial_real"} <= set(names):
        pytest.skip("needs redial_real and uss_redial_real")
    one, two = (read_corpus(names[name]).corpus for name in ("redial_real", "uss_redial_real"))
    pairs = near_duplicates(Corpus([*one, *two]))
    crossing = {pair.first for pair in pairs if pair.first < len(one) <= pair.second}
    assert len(crossing) >= 90
