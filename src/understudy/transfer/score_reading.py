"""Reading scores of systems: tables (CSV, JSON Lines, Parquet) and corpora whose conversations carry a rating."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from understudy.conversations.containers import read_rows
from understudy.conversations.formats import detect
from understudy.conversations.problems import Broken, Notes
from understudy.conversations.reading import read_corpus
from understudy.conversations.streams import DEFAULT_MAX_BYTES
from understudy.errors import CorpusError, UsageError
from understudy.transfer.scores import Floats, Scores, Strings

SYSTEM = ("system", "agent", "meta.system", "meta.agent")
SCORE = ("score", "rating", "success", "meta.score", "meta.rating")
USER = ("user", "user_id", "meta.user")
ITEM = ("item", "scenario", "scenario_id", "meta.item", "meta.scenario")
DIFFICULTY = ("difficulty", "meta.difficulty")
FAULT = ("fault", "spoiled", "meta.fault")
TRUTHS = {"true": 1.0, "false": 0.0}
NO_FAULT = {"", "0", "0.0", "false", "no", "none", "null"}
# Who else can have broken an episode; the rest is the simulator's doing.
NOT_THE_SIMULATOR = ("partner", "assistant", "environment", "judge")
SHOWN = 6
SEARCHED = 50  # rows, and turns of each, whose paths a mistake is told
MOST_PATHS = 20
LARGEST = 1e100  # of scores: squares of larger ones are no numbers
LONGEST = 200  # characters of a label, as columns are as wide as their longest


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Where a row keeps what: a column, or a path into nested data (`meta.ratings.usefulness`); None: by usual names.

    `slices` are further columns by which to look for uneven bias. `values` are numbers for ratings in words
    (None: missing).
    """

    system: str | None = None
    score: str | None = None
    user: str | None = None
    item: str | None = None
    difficulty: str | None = None
    fault: str | None = None
    slices: tuple[str, ...] = ()
    values: Mapping[str, float | None] = {}


def read_scores(
    path: str | os.PathLike[str], columns: Columns | None = None, *, user_role: str | None = None
) -> Scores:
    """The scores in a file or folder, a row an episode.

    A table needs a column for the system and one for the score; a corpus of any format that `read_corpus` knows
    carries them in `meta`. A score that is a list is averaged over its numbers; truth values are 1 and 0; words
    need `values`. What is empty is missing. Without users, each row is its own.

    Raises CorpusError for what cannot be read, UsageError where a column is not there or not numeric.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "real.csv")
    ...     _ = file.write_text("system,score,user\\na,1,u1\\nb,0.5,u1\\n")
    ...     read_scores(file).score
    array([1. , 0.5])
    """
    wanted = columns or Columns()
    rows = _rows(str(path), user_role)
    found = _columns(rows, wanted, str(path))
    systems = [_text(value_at(row, found["system"])) for row in rows]
    score = _numbers([value_at(row, found["score"]) for row in rows], wanted.values, str(path), found["score"])
    named = [_text(value_at(row, found["user"])) if "user" in found else "" for row in rows]
    keep = np.array([bool(name) for name in systems], dtype=np.bool_)
    scores = Scores(
        system=np.array(systems, dtype=np.str_),
        score=score,
        unit=np.array([name or f"row {k}" for k, name in enumerate(named)], dtype=np.str_),
        item=_texts(rows, found.get("item")),
        difficulty=_optional_numbers(rows, found.get("difficulty")),
        slices={name: column for name in wanted.slices if (column := _texts(rows, found[f"slice {name}"])) is not None},
        spoiled=_spoiled(rows, found.get("fault")),
        has_users=any(named),
        source=str(path),
    )
    return scores.take(keep)


def _rows(path: str, user_role: str | None) -> list[Mapping[str, Any]]:
    """Rows of a table as they are, or conversations as plain data with their user under `user`."""
    file = Path(path)
    if path.startswith("hf:") or file.is_dir():
        return _conversations(path, user_role)
    if not file.exists():
        raise CorpusError(
            f"{path}: no such file", why="the scores are read from it", fix="check the path; a file or a folder"
        )
    notes = Notes()
    try:
        rows = read_rows(file, max_bytes=DEFAULT_MAX_BYTES, notes=notes)
        first = next(rows, None)
    except OSError as error:
        raise CorpusError(
            f"{path} cannot be read: {error.strerror or error}", why="the scores are read from it", fix="check the file"
        ) from error
    if first is None:
        raise CorpusError(f"{path} is empty", why="there is no score in it", fix="check that it is the right file")
    if detect(first.value) is not None:
        return _conversations(path, user_role)
    return list(_tabular(chain([first], rows), path))


def _tabular(rows: Iterable[Any], path: str) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(rows, start=1):
        if not isinstance(row.value, Mapping):
            why = row.value.reason if isinstance(row.value, Broken) else "it is no object"
            raise CorpusError(
                f"{path}:{row.line or number}: the row cannot be read: {why}",
                why="a score that is left out unseen would change the order of systems",
                fix="mend the row, or take it out",
            )
        yield row.value


def _conversations(path: str, user_role: str | None) -> list[Mapping[str, Any]]:
    reading = read_corpus(path, user_role=user_role)
    if reading.problems:
        raise CorpusError(
            f"{len(reading.problems):,} rows cannot be read, the first: {reading.problems[0]}",
            why="a score that is left out unseen would change the order of systems",
            fix="mend the rows, or take them out",
        )
    return [
        {**msgspec.to_builtins(talk), "user": talk.user_id, **_broken_ending(talk.ending)} for talk in reading.corpus
    ]


def _broken_ending(ending: Any) -> dict[str, str]:
    """A rollout that a fault ended says whose it was in its ending."""
    return {"fault": ending.reason} if ending is not None and ending.by == "fault" else {}


def value_at(row: Any, path: str) -> Any:
    """What stands at `path`: the column of that name, else step by step along its dots; lists give a list.

    >>> value_at({"meta": {"ratings": {"useful": 2}}}, "meta.ratings.useful")
    2
    >>> value_at({"turns": [{"meta": {"stars": 4}}, {}, {"meta": {"stars": 5}}]}, "turns.meta.stars")
    [4, 5]
    """
    if isinstance(row, Mapping) and path in row:
        return row[path]
    if isinstance(row, Sequence) and not isinstance(row, str):
        inside = [value_at(item, path) for item in row]
        return [value for value in inside if value is not None]
    head, dot, tail = path.partition(".")
    if not dot or not isinstance(row, Mapping) or head not in row:
        return None
    return value_at(row[head], tail)


def _columns(rows: Sequence[Mapping[str, Any]], wanted: Columns, path: str) -> dict[str, str]:
    """The path of each thing, by what was asked for or by its usual names."""
    usual = {
        "system": SYSTEM, "score": SCORE, "user": USER, "item": ITEM, "difficulty": DIFFICULTY, "fault": FAULT,
    }  # fmt: skip
    found = {}
    for what, names in usual.items():
        asked = getattr(wanted, what)
        for name in _spellings(asked) if asked is not None else names:
            if any(_present(value_at(row, name)) for row in rows):
                found[what] = name
                break
        else:
            if asked is not None and what != "fault":
                raise _absent(what, asked, rows, path)
    for what in ("system", "score"):
        if what not in found:
            raise _absent(what, None, rows, path)
    for asked in wanted.slices:
        for name in _spellings(asked):
            if any(_present(value_at(row, name)) for row in rows):
                found[f"slice {asked}"] = name
                break
        else:
            raise _absent("slice", asked, rows, path)
    return found


def _spellings(asked: str) -> tuple[str, ...]:
    """The path as asked for, else the same in `meta`, where reading a corpus puts what it has no field for.

    >>> _spellings("turns.stars"), _spellings("agent")
    (('turns.stars', 'turns.meta.stars'), ('agent', 'meta.agent'))
    """
    head, _, tail = asked.partition("turns.")
    return (asked, f"meta.{asked}" if head or not tail else f"turns.meta.{tail}")


def _present(value: Any) -> bool:
    return value is not None and value != "" and value != []


def _absent(what: str, asked: str | None, rows: Sequence[Mapping[str, Any]], path: str) -> UsageError:
    names = list(dict.fromkeys(name for row in rows[:SEARCHED] for name in _paths(row)))
    # Ratings lie in meta: a list that is cut keeps them.
    names.sort(key=lambda name: "meta" not in name.split(".") and "." in name)
    more = f" and {len(names) - MOST_PATHS} more" if len(names) > MOST_PATHS else ""
    return UsageError(
        f"{path}: no column {asked!r}" if asked else f"{path}: no column for the {what}",
        why=f"rows hold {', '.join(names[:MOST_PATHS]) or 'nothing'}{more}",
        fix=f"name it with --{what} COLUMN; a path into nested data has dots, as meta.ratings.usefulness",
    )


def _paths(value: Any, path: str = "") -> Iterator[str]:
    """The paths to everything that a row holds, once each.

    >>> list(_paths({"id": "a", "turns": [{"meta": {"stars": 2}}, {"meta": {"stars": 3}}]}))
    ['id', 'turns.meta.stars']
    """
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _paths(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        yield from dict.fromkeys(name for item in value[:SEARCHED] for name in _paths(item, path))
    elif _present(value) and path:
        yield path


def _text(value: Any) -> str:
    """A label as text; lists and objects are none. What is very long is cut, with a digest that keeps it apart."""
    if value is None or isinstance(value, list | dict):
        return ""
    if isinstance(value, float):  # a table may hold whole numbers as such
        return "" if value != value else str(int(value)) if value.is_integer() else str(value)
    text = str(value).strip().replace("\0", "\N{SYMBOL FOR NULL}")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 20]}…{sha256(text.encode()).hexdigest()[:16]}"


def _texts(rows: Sequence[Mapping[str, Any]], path: str | None) -> Strings | None:
    if path is None:
        return None
    return np.array([_text(value_at(row, path)) for row in rows], dtype=np.str_)


def _optional_numbers(rows: Sequence[Mapping[str, Any]], path: str | None) -> Floats | None:
    if path is None:
        return None
    values = [_number(value_at(row, path), {}) for row in rows]
    return np.array([np.nan if isinstance(value, str) else value for value in values], dtype=np.float64)


def _number(value: Any, values: Mapping[str, float | None]) -> float | str:
    """A number, NaN where missing, or the text that is none."""
    if isinstance(value, list):
        numbers = [_number(item, values) for item in value]
        text = next((item for item in numbers if isinstance(item, str)), None)
        known = [item for item in numbers if not isinstance(item, str) and np.isfinite(item)]
        return text if text is not None else (float(np.mean(known)) if known else np.nan)
    if value is None or isinstance(value, dict):
        return np.nan
    text = str(value).strip()
    if text in values:
        given = values[text]
        return np.nan if given is None else given
    if not text:
        return np.nan
    try:
        return float(text)
    except ValueError:
        return TRUTHS.get(text.lower(), text)


def _group(value: Any) -> Mapping[str, Any] | None:
    """What holds values by name where a score should be."""
    if isinstance(value, Mapping):
        return value
    return (
        next((item for item in value if isinstance(item, Mapping)), None) if isinstance(value, list | tuple) else None
    )


def _numbers(values: Sequence[Any], words: Mapping[str, float | None], path: str, column: str) -> Floats:
    group = next((found for value in values if (found := _group(value)) is not None), None)
    if group is not None:
        inside = f"{column}.{next(map(str, group), 'NAME')}"
        raise UsageError(
            f"{path}: {column} holds groups of values, with the keys {', '.join(map(str, list(group)[:MOST_PATHS]))}",
            why="a score is one number",
            fix=f"name one of them: --score {inside}",
        )
    numbers = [_number(value, words) for value in values]
    unknown = Counter(number for number in numbers if isinstance(number, str))
    if unknown:
        listed = ", ".join(f"{text[:40]!r} ({count:,})" for text, count in unknown.most_common(SHOWN))
        one = unknown.most_common(1)[0][0][:40]
        raise UsageError(
            f"{path}: {column} holds words that are no numbers: {listed}",
            why="an order of systems needs scores to average",
            fix=f"give each its number, e.g. --value '{one}=1'; an empty number ('{one}=') is a missing score",
        )
    result = np.array(numbers, dtype=np.float64)
    if (np.abs(result) > LARGEST).any():
        raise UsageError(
            f"{path}: {column} holds infinite values, or such above {LARGEST:g}",
            why="they have no average",
            fix="leave them empty where missing",
        )
    return result


def _spoiled(rows: Sequence[Mapping[str, Any]], path: str | None) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """Episodes that the simulator broke: a fault is named, and it is nobody else's."""
    if path is None:
        return None
    marks = []
    for row in rows:
        value = value_at(row, path)
        text = str(value.get("by", "fault") if isinstance(value, Mapping) else "" if value is None else value)
        text = text.strip().lower()
        marks.append(text not in NO_FAULT and not text.startswith(NOT_THE_SIMULATOR))
    return np.array(marks, dtype=np.bool_)
