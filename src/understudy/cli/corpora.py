"""Reading a corpus for a verb: what could not be read is told on stderr, by line, before the answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from understudy.errors import CorpusError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from understudy.cli.output import Output
    from understudy.conversations import Corpus
    from understudy.conversations.reading import Reading

Origin = Literal["real", "synthetic"]
PROBLEMS_SHOWN = 5


def amount(count: int, noun: str) -> str:
    """A number and what it counts.

    >>> amount(1, "user"), amount(1200, "user")
    ('1 user', '1,200 users')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def load_corpus(path: str, *, user_role: str | None, origin: Origin, output: Output) -> Corpus:
    """Read `path`, say what was left out, and insist on something to work with."""
    from understudy.conversations.reading import read_corpus

    return _usable(path, read_corpus(path, user_role=user_role, origin=origin), output)


def load_sides(sides: Sequence[tuple[str, Origin]], *, user_role: str, output: Output) -> list[Corpus]:
    """Read several corpora under one `user_role`, which some of them may not have.

    Conversations that were written by `simulate`, or already divided, say `user` where the logs beside them say
    `speaker_1`. So the name counts where such a speaker occurs; it is an error only if it occurs nowhere.
    """
    from understudy.conversations.reading import read_corpus

    readings: list[Reading] = []
    refused: dict[str, CorpusError] = {}
    for path, origin in sides:
        try:
            readings.append(read_corpus(path, user_role=user_role, origin=origin))
        except CorpusError as error:
            # Only the role can be at fault where the file is read without it; else this raises what is.
            readings.append(read_corpus(path, origin=origin))
            refused[path] = error
    if len(refused) == len({path for path, _ in sides}):
        raise UsageError(
            f"no speaker is called {user_role!r}, neither in {' nor in '.join(path for path, _ in sides)}",
            why="; ".join(f"{path}: {error.why}" for path, error in refused.items()),
            fix="--user-role names the user of the synthetic conversations, --real-user-role that of the real ones; "
            "leave out what is not needed",
        )
    for path in refused:
        output.note(f"{path}: no speaker {user_role!r}; roles as they stand there", "dim")
    return [_usable(path, reading, output) for (path, _), reading in zip(sides, readings, strict=True)]


def load_side(path: str, origin: Origin, *, user_role: str | None, output: Output) -> Corpus:
    """The same for one corpus of a pair whose roles were named one by one: what is in canonical form needs none."""
    from understudy.conversations.formats import own
    from understudy.conversations.reading import read_corpus

    try:
        return load_corpus(path, user_role=user_role, origin=origin, output=output)
    except CorpusError as error:
        if user_role is None or read_corpus(path, origin=origin).format != own.NAME:
            option = "--user-role" if origin == "synthetic" else "--real-user-role"
            why, fix = (text.replace("--user-role", option) for text in (error.why, error.fix))
            raise CorpusError(error.what, why=why, fix=fix) from error
    return load_corpus(path, user_role=None, origin=origin, output=output)


def load_pair(
    sides: Sequence[tuple[str, Origin]], *, user_role: str | None, real_role: str | None, output: Output
) -> list[Corpus]:
    """Corpora of both sides: one `user_role` for all, unless the real ones are given their own (or neither)."""
    if user_role is not None and real_role is None:
        return load_sides(sides, user_role=user_role, output=output)
    roles = {"real": real_role, "synthetic": user_role}
    return [load_side(path, origin, user_role=roles[origin], output=output) for path, origin in sides]


def _usable(path: str, reading: Reading, output: Output) -> Corpus:
    """The corpus of `reading`, after telling its problems, if there is something to work with in it."""
    tell_problems(path, reading, output)
    if not len(reading.corpus):
        raise CorpusError(
            f"{path}: no conversation in it",
            why="there is nothing to learn from or to measure",
            fix="check that it is the right file; `understudy fit --help` lists the formats",
        )
    if not any(turn.role == "user" for talk in reading.corpus for turn in talk.turns):
        raise CorpusError(
            f"{path}: no turn by a user in {len(reading.corpus):,} conversation(s)",
            why="simulated users are fitted to, and measured on, what users say",
            fix="name the user's role with --user-role NAME",
        )
    return reading.corpus


def tell_problems(path: str, reading: Reading, output: Output) -> None:
    """Broken rows with file, line and reason; remarks of the reader."""
    broken = reading.problems
    if broken:
        output.warn(f"{path}: {len(broken):,} row(s) left out, {len(reading.corpus):,} read")
        for problem in broken[:PROBLEMS_SHOWN]:
            output.warn(f"  {problem}")
        if len(broken) > PROBLEMS_SHOWN:
            output.warn(f"  and {len(broken) - PROBLEMS_SHOWN:,} more")
    for remark in reading.notes:
        output.note(f"{path}: {remark}", "dim")


def describe(corpus: Corpus) -> str:
    """How much there is, in a line."""
    units = corpus.n_units
    turns = sum(turn.role == "user" for talk in corpus for turn in talk.turns)
    named = None not in {talk.user_id for talk in corpus}
    who = amount(units, "user") if named else "users not named"
    return f"{amount(len(corpus), 'conversation')}, {who}, {amount(turns, 'user turn')}"


def refuse_same(real: str, synthetic: str) -> None:
    """A corpus held against itself says nothing; the floor inside the audit is the honest form of it."""
    first, second = Path(real), Path(synthetic)
    if first.exists() and second.exists() and first.samefile(second):
        raise UsageError(
            f"the real and the synthetic corpus are the same file: {synthetic}",
            why="an audit compares two sets of conversations",
            fix="give the synthetic file first and the real one with --real; real against real is in every report",
        )


def refuse_swapped(real: Corpus, real_path: str, verb: str = "audit") -> None:
    """Conversations that a simulator wrote cannot stand for people."""
    from understudy.conversations.lineage import simulated as made

    simulated = sum(made(talk) for talk in real)
    if simulated * 2 > len(real):
        raise UsageError(
            f"--real {real_path}: {simulated:,} of {len(real):,} conversations say that a simulator wrote them",
            why="the yardstick is what people said",
            fix=f"if the two files are swapped: understudy {verb} SYNTHETIC --real REAL",
        )
