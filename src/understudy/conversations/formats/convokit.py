"""ConvoKit corpus folders: `utterances.jsonl`, `conversations.json`, `speakers.json`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from understudy.conversations.formats.drafts import Draft, Line, draft_from, identifier, labels, plain_text
from understudy.conversations.problems import Broken, Notes, kind
from understudy.conversations.records import SCHEMA
from understudy.conversations.streams import read_lines, read_whole
from understudy.conversations.strict_json import decode_json
from understudy.errors import CorpusError

NAME = "convokit"
_SPEAKERS = ("speakers.json", "users.json")


def matches(folder: Path) -> bool:
    """Whether the folder has utterances and a table beside them."""
    return (folder / "utterances.jsonl").is_file() and any(
        (folder / name).is_file() for name in ("conversations.json", *_SPEAKERS)
    )


class Tables(NamedTuple):
    """What the folder says about conversations and speakers, by id."""

    conversations: Mapping[str, Any]
    speakers: Mapping[str, Any]


def read_tables(folder: Path, *, max_bytes: int, notes: Notes) -> Tables:
    """The folder's tables; one that is missing is empty."""
    speakers = next((folder / name for name in _SPEAKERS if (folder / name).is_file()), None)
    return Tables(
        _table(folder / "conversations.json", max_bytes, notes),
        _table(speakers, max_bytes, notes) if speakers is not None else {},
    )


def _table(path: Path, max_bytes: int, notes: Notes) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        value, _ = decode_json(read_whole(path, max_bytes=max_bytes, notes=notes))
        if not isinstance(value, dict):
            raise Broken(f"it holds {kind(value)}, not an object")
    except Broken as broken:
        raise CorpusError(
            f"{path} cannot be read: {broken.reason}",
            why="a ConvoKit folder keeps topics and people there",
            fix="mend the file, or remove it to read the utterances alone",
        ) from broken
    return value


def read_utterances(folder: Path, *, max_bytes: int, notes: Notes) -> Iterator[tuple[int, str, Any]]:
    """(line, conversation id, utterance); the utterance is a `Broken` where it cannot be read."""
    for line, data in read_lines(folder / "utterances.jsonl", max_bytes=max_bytes, notes=notes):
        try:
            if isinstance(data, Broken):
                raise data
            row, _ = decode_json(data)
            if not isinstance(row, dict):
                raise Broken(f"the line is {kind(row)}, not an object")
            key = identifier(row.get("conversation_id", row.get("root")), "conversation_id")
            if key is None:
                raise Broken("the utterance has no conversation_id")
            if not isinstance(row.get("text"), str):
                plain_text(row.get("text"), row, 1)
            if identifier(row.get("speaker", row.get("user")), "speaker") is None:
                raise Broken("the utterance has no speaker")
        except Broken as broken:
            yield line, "", broken
        else:
            yield line, key, row


def parse(key: str, rows: list[Mapping[str, Any]], tables: Tables) -> Draft:
    """One conversation. Time stamps give the order where all are numbers; a person's role, where one is stated for
    the utterance or the speaker, is the speaker's name, and the person's id becomes the user id. What was written
    from this project's own conversations says so (`schema`), and is read back as it was."""
    talk = _meta(tables.conversations.get(key))
    ours = talk.get("schema") == SCHEMA
    stamps = [_stamp(row.get("timestamp")) for row in rows]
    if None not in stamps:
        rows = [rows[i] for i in sorted(range(len(rows)), key=lambda i: (stamps[i] or 0.0, i))]
    lines: list[Line] = []
    people: dict[str, str] = {}
    for row in rows:
        person = str(row.get("speaker", row.get("user")))
        said = row.get("meta") if isinstance(row.get("meta"), dict) else {}
        about = _meta(tables.speakers.get(person))
        stated = next((m["role"] for m in (said or {}, about) if isinstance(m.get("role"), str) and m["role"]), None)
        name = stated or person
        people.setdefault(name, person)
        acts: object = (said or {}).get("act")
        text = row["text"] if isinstance(row["text"], str) else plain_text(row["text"], row, 1)
        if ours:
            acts, intent, inner = ((said or {}).get(field) for field in ("acts", "intent", "meta"))
            lines.append(Line(name, text, intent, labels(acts) or (), inner or None))
        else:
            lines.append(Line(name, text, None, (acts,) if isinstance(acts, str) else (), said or None))
    draft = draft_from({**talk, "id": key}, lines, "schema" if ours else "user_id")
    return draft._replace(user_ids=None if ours else people, system_speaks=True)


def _meta(entry: object) -> Mapping[str, Any]:
    meta = entry.get("meta", entry) if isinstance(entry, dict) else {}
    return meta if isinstance(meta, dict) else {}


def _stamp(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
