"""Export to ConvoKit: a corpus folder that `convokit.Corpus(filename=...)` loads."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from understudy.conversations import Conversation, Turn
from understudy.conversations.problems import shown
from understudy.conversations.records import SCHEMA
from understudy.conversations.writing import write_rows
from understudy.errors import CorpusError

_ASSISTANT = "assistant"


def write_convokit(folder: str | os.PathLike[str], conversations: Iterable[Conversation]) -> int:
    """Write `utterances.jsonl`, `speakers.json`, `conversations.json`, `corpus.json` and `index.json`; say how many.

    A speaker is a user by its id, or a conversation's own where no user is named; all assistants are one. Intent and
    acts are metadata of an utterance; topic, profile, ending and provenance of a conversation. `read_corpus` reads it
    back equal. Conversations without turns have no place in the format and are left out. Raises `CorpusError` for
    equal or empty ids.
    """
    kept = [talk for talk in conversations if talk.turns]
    names = [talk.id for talk in kept]
    if len(set(names)) < len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise CorpusError(
            f"two conversations have the id {shown(twice)}",
            why="ConvoKit finds a conversation by its id",
            fix="give them ids of their own",
        )
    if "" in names:
        raise CorpusError(
            "a conversation has an empty id",
            why="ConvoKit finds a conversation by its id, and drops what has none",
            fix="give it an id",
        )
    said_of = {talk.id: _about(talk) for talk in kept}
    about = {name: {"meta": meta, "vectors": []} for name, meta in said_of.items()}
    speakers: dict[str, Any] = {
        _speaker(talk, turn): {"meta": {}, "vectors": []} for talk in kept for turn in talk.turns
    }
    index = {
        "utterances-index": _kinds(_said(turn) for talk in kept for turn in talk.turns),
        "speakers-index": {},
        "conversations-index": _kinds(said_of.values()),
        "overall-index": {},
        "version": 1,
        "vectors": [],
    }
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name[:80]}.", dir=target.parent) as draft:
        files: dict[str, Any] = {"speakers": speakers, "conversations": about, "corpus": {}, "index": index}
        for name, table in files.items():
            write_rows(Path(draft, f"{name}.jsonl"), [table])
        write_rows(Path(draft, "utterances.jsonl"), _utterances(kept, set(names)))
        for name in files:
            Path(draft, f"{name}.jsonl").replace(target / f"{name}.json")
        Path(draft, "utterances.jsonl").replace(target / "utterances.jsonl")
    return len(kept)


def _utterances(talks: Iterable[Conversation], taken: set[str]) -> Iterator[dict[str, Any]]:
    """The first utterance bears the id of its conversation; the others a number behind it, and never a taken id."""
    for talk in talks:
        before: str | None = None
        for at, turn in enumerate(talk.turns):
            name = talk.id if at == 0 else f"{talk.id}_{at}"
            while at and name in taken:
                name += "_"
            taken.add(name)
            yield {
                "id": name,
                "conversation_id": talk.id,
                "text": turn.text,
                "speaker": _speaker(talk, turn),
                "meta": _said(turn),
                "reply-to": before,
                "timestamp": None,
                "vectors": [],
            }
            before = name


def _speaker(talk: Conversation, turn: Turn) -> str:
    if turn.role == "assistant":
        return _ASSISTANT
    return f"user of {talk.id}" if talk.user_id is None else talk.user_id


def _said(turn: Turn) -> dict[str, Any]:
    fields = {"role": turn.role, "intent": turn.intent, "acts": list(turn.acts), "meta": dict(turn.meta)}
    return {name: value for name, value in fields.items() if value}


def _about(talk: Conversation) -> dict[str, Any]:
    fields = ("user_id", "topic", "profile", "ending", "provenance", "meta")
    plain = {name: msgspec.to_builtins(getattr(talk, name)) for name in fields}
    return {"schema": SCHEMA, **{name: value for name, value in plain.items() if value is not None}}


def _kinds(metas: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """The index: of each metadata field, what kind of value it holds. ConvoKit drops what is not in it."""
    kinds: dict[str, set[str]] = {}
    for meta in metas:
        for name, value in meta.items():
            kinds.setdefault(name, set()).add(str(type(value)))
    return {name: sorted(found) for name, found in kinds.items()}
