"""Whatever stands in a file, a reader gives conversations, problems or a CorpusError."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from understudy.conversations import Reading, read_corpus
from understudy.errors import CorpusError
from understudy.testing.readers import hostile_contents


def read_or_refuse(path: Path, user_role: str | None = None) -> Reading | None:
    """What was read; None where it was refused in order."""
    try:
        return read_corpus(path, user_role=user_role)
    except CorpusError as error:
        if not error.fix:
            raise
        return None


SUFFIXES = [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".jsonl.zst"]
JUNK = st.binary(max_size=200) | st.sampled_from(list(hostile_contents().values()))


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=JUNK | st.builds(lambda a, b, c: a[: len(a) // 2] + b + c, JUNK, JUNK, JUNK),
    pack=st.sampled_from([bytes, gzip.compress]),
)
def test_any_bytes(tmp_path: Path, suffix: str, content: bytes, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(pack(content))
    for user_role in (None, "b"):
        reading = read_or_refuse(path, user_role)
        assert reading is None or len(reading.corpus) > 0


CELLS = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from(["user", "[]", "{}", '[{"a":1}]'])
)
KEYS = st.sampled_from(
    [
        "id",
        "turns",
        "messages",
        "conversations",
        "traj",
        "role",
        "content",
        "text",
        "from",
        "value",
        "meta",
        "acts",
        "intent",
        "tool_calls",
        "source",
        "split",
        "conversation_id",
        "speaker",
        "utterance",
        "dialogue_id",
        "dialogue_acts",
        "domains",
        "ending",
        "profile",
        "topic",
        "user_id",
        "schema",
        "task_id",
        "reward",
        "timestamp",
        "position",
        "domain",
    ]
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.recursive(
            CELLS,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
            max_leaves=15,
        ),
        max_size=3,
    ),
    document=st.booleans(),
)
def test_any_rows_of_the_right_words(tmp_path: Path, rows: list[object], document: bool) -> None:
    path = tmp_path / ("a.json" if document else "a.jsonl")
    path.write_text(json.dumps(rows) if document else "".join(json.dumps(row) + "\n" for row in rows))
    for user_role in (None, "user"):
        read_or_refuse(path, user_role)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tables=st.lists(
        st.binary(max_size=60) | st.dictionaries(st.text(max_size=3), CELLS).map(lambda d: json.dumps(d).encode()),
        min_size=3,
        max_size=3,
    )
)
def test_any_convokit_folder(tmp_path: Path, tables: list[bytes]) -> None:
    for name, content in zip(("utterances.jsonl", "conversations.json", "speakers.json"), tables, strict=True):
        (tmp_path / name).write_bytes(content)
    read_or_refuse(tmp_path)
