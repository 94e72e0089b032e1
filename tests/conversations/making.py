"""Conversations for the tests, plain and drawn by Hypothesis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from understudy.conversations import Conversation, Ending, Turn

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "=1+1",
        "'=x",
        "''+1",
        "-",
        "@a",
        "\tx",
        "\r",
        "a\u2028b",
        "a\r\nb",
        'say "hi"',
        "a,b;c",
        "\x00",
        " ",
        'key":',
        "'",
    ]
)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXTS | st.floats(allow_nan=False, allow_infinity=False)
)
METAS = st.dictionaries(
    NAMES.map(lambda name: f"m{name}"),
    LEAVES | st.lists(LEAVES, max_size=2) | st.dictionaries(NAMES, LEAVES, max_size=2),
    max_size=2,
)
TURNS = st.builds(
    Turn,
    role=st.sampled_from(["user", "assistant"]),
    text=TEXTS,
    intent=st.none() | NAMES,
    acts=st.lists(NAMES, max_size=2).map(tuple),
    meta=METAS,
)
ENDINGS = st.builds(Ending, by=st.sampled_from(["user", "assistant", "limit", "fault"]), reason=TEXTS)
TALKS = st.builds(
    Conversation,
    id=NAMES,
    turns=st.lists(TURNS, max_size=4).map(tuple),
    user_id=st.none() | NAMES,
    topic=st.none() | NAMES,
    profile=st.none() | METAS,
    ending=st.none() | ENDINGS,
    provenance=st.none() | METAS,
    meta=METAS,
)
CORPORA = st.lists(TALKS, min_size=1, max_size=4, unique_by=lambda talk: talk.id)


def talk(name: str, *texts: str, user: str | None = None, topic: str | None = None) -> Conversation:
    """A conversation of alternating turns, the user's first."""
    turns = tuple(Turn("user" if i % 2 == 0 else "assistant", text) for i, text in enumerate(texts))
    return Conversation(name, turns, user_id=user, topic=topic)


def write_rows(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def chat(*pairs: tuple[str, str], role: str = "role", text: str = "text") -> list[dict[str, str]]:
    return [{role: who, text: said} for who, said in pairs]
