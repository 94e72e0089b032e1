"""A panel's record as a file: JSON, or a CSV table of one row an answer that no spreadsheet runs as a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from understudy.conversations.strict_json import scrub_surrogates
from understudy.errors import UsageError
from understudy.measures.raters.checks import refuse_impossible
from understudy.measures.raters.records import (
    SCHEMA,
    ChatTurn,
    Judgement,
    PanelRecord,
    Questionnaire,
    QuestionnaireLine,
    Rating,
)

COLUMNS = (
    "rater", "task", "position", "stimulus", "item", "shown", "answer", "seconds", "origin", "real", "synthetic",
    "unit",
)  # fmt: skip
MOST_BYTES = 256 * 1024 * 1024
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_MARKED = re.compile(r"'+[=+\-@\t\r]")


def encoded(record: PanelRecord, suffix: str) -> bytes:
    """The record as the bytes of a `.json` or `.csv` file. Raises UsageError for any other suffix."""
    if suffix == ".json":
        plain = scrub_surrogates(msgspec.to_builtins(record))
        return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"
    if suffix != ".csv":
        raise UsageError(
            f"a panel cannot be written as {suffix or 'a file without a suffix'}",
            why="the suffix decides the format: .json or .csv",
            fix="for example --export answers.json",
        )
    text = io.StringIO(newline="")
    sheet = csv.writer(text, lineterminator="\r\n")
    sheet.writerow(COLUMNS)
    for row in _rows(record):
        cells = [scrub_surrogates("" if row.get(c) is None else str(row[c])) for c in COLUMNS]
        sheet.writerow([f"'{cell}" if _FORMULA.match(cell) else cell for cell in cells])
    return text.getvalue().encode("utf-8")


def _rows(record: PanelRecord) -> Iterator[dict[str, Any]]:
    told = {**record.settings, "schema": record.schema, "withdrawn": record.withdrawn}
    for key, value in told.items():
        yield {"task": "panel", "item": key, "answer": msgspec.json.encode(value).decode()}
    for r in record.raters:
        yield {"rater": r.id, "task": "rater", "answer": "finished" if r.finished else "begun"}
        for j in r.judgements:
            yield {
                "rater": r.id, "task": "catch" if j.catch else "pair", "position": j.position, "stimulus": j.pair,
                "shown": j.real_side, "answer": j.answer, "seconds": j.seconds, "real": j.real,
                "synthetic": j.synthetic, "unit": j.unit,
            }  # fmt: skip
        for a in r.ratings:
            yield {
                "rater": r.id, "task": "rating", "position": a.position, "stimulus": a.dialogue, "item": a.item,
                "answer": a.points, "seconds": a.seconds, "origin": a.origin, "unit": a.unit,
            }  # fmt: skip
        if r.questionnaire is not None:
            shown = "mirrored" if r.questionnaire.mirrored else "printed"
            for line in r.questionnaire.lines:
                yield {
                    "rater": r.id, "task": "pmq", "position": line.position, "item": line.key, "shown": shown,
                    "answer": line.point, "seconds": r.questionnaire.seconds,
                }  # fmt: skip
        for position, turn in enumerate(r.chat):
            yield {"rater": r.id, "task": "chat", "position": position, "item": turn.role, "answer": turn.text}


def read_panel(path: str | Path) -> PanelRecord:
    """The record in a file that `understudy panel --export` wrote, `.json` or `.csv`, told by content.

    Raises UsageError where it cannot be read, or is something else.
    """
    file = Path(path)
    try:
        if file.stat().st_size > MOST_BYTES:
            raise _no_panel(file, f"it is larger than {MOST_BYTES:,} bytes")
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror or error}",
            why="it is to hold what the raters answered",
            fix="give the file that `understudy panel --db FILE --export FILE.json` wrote",
        ) from error
    try:
        if data.lstrip()[:1] == b"{":
            record = msgspec.json.decode(data, type=PanelRecord)
        else:
            record = _from_table(data.decode("utf-8-sig"))
        refuse_impossible(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, csv.Error, ValueError, KeyError) as error:
        raise _no_panel(file, str(error)) from error
    return record


def _no_panel(file: Path, why: str) -> UsageError:
    return UsageError(
        f"{file} is no export of a panel ({SCHEMA}): {' '.join(why.split())[:200]}",
        why="its answers cannot be relied on",
        fix="give the file that `understudy panel --db FILE --export FILE.json` wrote (or .csv), unchanged",
    )


def _from_table(text: str) -> PanelRecord:
    csv.field_size_limit(max(csv.field_size_limit(), MOST_BYTES))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names = next(reader, [])
    if set(COLUMNS) - set(names):
        raise ValueError(f"it lacks the columns {', '.join(sorted(set(COLUMNS) - set(names)))}")
    told: dict[str, Any] = {}
    people: dict[str, dict[str, Any]] = {}
    for cells in reader:
        if len(cells) != len(names):
            raise ValueError(f"line {reader.line_num} has {len(cells)} cells under {len(names)} columns")
        row = {n: c[1:] if _MARKED.match(c) else c for n, c in zip(names, cells, strict=True)}
        if row["task"] == "panel":
            told[row["item"]] = msgspec.json.decode(row["answer"])
            continue
        person = people.setdefault(
            row["rater"],
            {"id": row["rater"], "finished": False, "judgements": [], "ratings": [], "chat": [], "lines": []},
        )
        _take(person, row)
    return msgspec.convert(
        {
            "schema": told.pop("schema", None),
            "withdrawn": told.pop("withdrawn", 0),
            "settings": told,
            "raters": [_person(p) for p in people.values()],
        },
        type=PanelRecord,
    )


def _take(person: dict[str, Any], row: dict[str, str]) -> None:
    seconds = float(row["seconds"]) if row["seconds"] else None
    task = row["task"]
    if task == "rater":
        person["finished"] = row["answer"] == "finished"
    elif task in ("pair", "catch"):
        person["judgements"].append(
            Judgement(
                int(row["position"]), row["stimulus"], task == "catch", row["shown"], row["answer"],  # type: ignore[arg-type]
                row["real"], row["synthetic"], seconds, row["unit"],
            )
        )  # fmt: skip
    elif task == "rating":
        points = int(row["answer"]) if row["answer"] else None
        origin: Any = row["origin"]
        person["ratings"].append(
            Rating(int(row["position"]), row["stimulus"], origin, row["item"], points, seconds, row["unit"])
        )
    elif task == "pmq":
        point = int(row["answer"]) if row["answer"] else None
        person["lines"].append(QuestionnaireLine(int(row["position"]), row["item"], point))
        person["mirrored"], person["seconds"] = row["shown"] == "mirrored", seconds
    elif task == "chat":
        person["chat"].append(ChatTurn(row["item"], row["answer"]))  # type: ignore[arg-type]
    else:
        raise ValueError(f"there is no task {task!r}")


def _person(told: dict[str, Any]) -> dict[str, Any]:
    lines, mirrored, seconds = told.pop("lines"), told.pop("mirrored", False), told.pop("seconds", None)
    if lines:
        told["questionnaire"] = Questionnaire(mirrored, tuple(lines), seconds)
    rater = {**told, "judgements": tuple(told["judgements"]), "ratings": tuple(told["ratings"])}
    plain: dict[str, Any] = msgspec.to_builtins(rater)
    return plain
