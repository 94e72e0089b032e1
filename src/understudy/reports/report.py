"""The report: JSON is the result, and the page is a pure function of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from understudy.conversations import Conversation, Turn
from understudy.conversations.strict_json import scrub_surrogates
from understudy.errors import UsageError
from understudy.measures.measurement import Measurement, flatten
from understudy.measures.overlap import Copies
from understudy.reports.verdicts import Verdict, verdicts_of
from understudy.reports.wording import headlines_of, parts_of

SCHEMA = "understudy.report/1"


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """A conversation to show, and the side that it comes from."""

    side: Literal["real", "synthetic"]
    conversation: Conversation


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one audit found.

    `measurements` is flat: a part follows the measurement whose name its own name extends. Nothing is rounded,
    and everything on the page is computed from this record.
    """

    schema: Literal["understudy.report/1"] = "understudy.report/1"
    verdicts: Mapping[str, Verdict]
    measurements: tuple[Measurement, ...]
    examples: tuple[Example, ...] = ()
    provenance: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @property
    def headlines(self) -> tuple[Measurement, ...]:
        """The measurements that are no part of another."""
        return headlines_of(self.measurements)

    def parts_of(self, headline: Measurement) -> tuple[Measurement, ...]:
        """The parts of a headline measurement, in their order."""
        return parts_of(headline, self.measurements)


def make_report(
    measurements: Sequence[Measurement],
    *,
    examples: Sequence[Example] = (),
    provenance: Mapping[str, Any] | None = None,
) -> Report:
    """Flatten the measurements, give each question its verdict, and reduce all evidence to plain data.

    The report that comes back equals the one that `load_report` reads after `save_report`: numpy numbers are
    numbers, NaN in evidence is null, lone surrogates are U+FFFD. Of an example's conversation the ids, turns,
    topic, profile and ending are kept.

    >>> make_report([]).verdicts["rank"].status
    'not_asked'
    """
    flat = tuple(flatten(list(measurements)))
    draft = Report(
        verdicts=_of_corpora(verdicts_of(flat), provenance or {}),
        measurements=flat,
        examples=tuple(Example(e.side, _shown(e.conversation)) for e in examples),
        provenance=provenance or {},
    )
    return msgspec.convert(_plain(draft), Report)


def _of_corpora(verdicts: dict[str, Verdict], provenance: Mapping[str, Any]) -> dict[str, Verdict]:
    """Looks are answered with what is known of the two corpora too: first of all where the users were fitted to the
    real ones beside them; and how much is copied, before all findings where it is much."""
    looks = verdicts["real"]
    if looks.status == "not_asked":
        return verdicts
    if isinstance(contaminated := provenance.get("contaminated"), str):
        sentence = f"{contaminated[:1].upper()}{contaminated[1:]}. {looks.sentence}"
        looks = msgspec.structs.replace(looks, sentence=sentence)
    if (copied := copies_in(provenance)) is not None:
        told, rest = (copied.statement,), looks.findings
        looks = msgspec.structs.replace(looks, findings=(*told, *rest) if copied.many else (*rest, *told))
    return {**verdicts, "real": looks}


def copies_in(provenance: Mapping[str, Any]) -> Copies | None:
    """How many long turns one side repeats from the other, where the run counted them."""
    counted = provenance.get("copies")
    return Copies(counted["synthetic"], counted["real"]) if isinstance(counted, Mapping) else None


def _shown(conversation: Conversation) -> Conversation:
    turns = tuple(Turn(t.role, t.text, t.intent, t.acts) for t in conversation.turns)
    return msgspec.structs.replace(conversation, turns=turns, provenance=None, meta={})


def _plain(value: object) -> Any:
    """Only what JSON knows."""
    plain = scrub_surrogates(msgspec.to_builtins(value, str_keys=True, enc_hook=_unwrap))
    return msgspec.json.decode(msgspec.json.encode(plain))


def _unwrap(value: Any) -> Any:
    """numpy scalars and arrays as Python numbers and lists; anything else by its name."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def save_report(report: Report, folder: str | os.PathLike[str]) -> Path:
    """Write `report.json` and `report.html` into `folder`, each whole or not at all; returns the page's path."""
    from understudy.reports.html import render_html

    target = Path(folder)
    page = render_html(report).encode("utf-8")
    data = msgspec.json.format(msgspec.json.encode(_plain(report)), indent=1) + b"\n"
    try:
        target.mkdir(parents=True, exist_ok=True)
        _write({target / "report.json": data, target / "report.html": page})
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise UsageError(
            f"the report cannot be written to {target}: {error.strerror or error}",
            why="the result of the audit would be lost",
            fix="free some space, or name another folder" if full else "name a folder that you may write to",
        ) from error
    return target / "report.html"


def _write(contents: Mapping[Path, bytes]) -> None:
    """All files whole, then all in place: a full disk must not leave one report's numbers beside another's page."""
    drafts = {file: file.with_name(f".{file.name}.{os.getpid()}.part") for file in contents}
    try:
        for file, data in contents.items():
            with drafts[file].open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        for file, draft in drafts.items():
            draft.replace(file)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def load_report(path: str | os.PathLike[str]) -> Report:
    """Read a report from its `report.json`, or from the folder that holds one."""
    file = Path(path)
    file = file / "report.json" if file.is_dir() else file
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror or error}",
            why="a report is a file named report.json",
            fix="give the folder that `understudy audit --out` wrote",
        ) from error
    try:
        return msgspec.json.decode(data, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"{file} is not a report of the form {SCHEMA}: {error}",
            why="its numbers cannot be relied on",
            fix="run the audit again with this version of understudy",
        ) from error
