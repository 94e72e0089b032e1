"""The user's lines of two corpora in one table, with what each persona-bearing line earns from a judge."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.measures.consistency.line_judge import Floats, LineJudge
from understudy.measures.consistency.personas import persona_of, unscorable

Ints = npt.NDArray[np.int64]
DECOYS = 8


class Lines(NamedTuple):
    """User lines, real conversations first. `talk` numbers the conversation, `at` the user's own lines in it."""

    text: list[str]
    talk: Ints
    at: Ints
    of: Ints  # how many lines the user has in that conversation
    persona: list[str]  # of the user, empty where nothing is said
    why: list[str]  # why nothing can be learned from the line, empty where something can


def lines_of(real: Corpus, synthetic: Corpus) -> Lines:
    """The user's lines of both corpora."""
    text, talk, at, of, persona, why = [], [], [], [], [], []
    for number, conversation in enumerate([*real, *synthetic]):
        told = persona_of(conversation, "user")
        said = [turn.text for turn in conversation.turns if turn.role == "user"]
        for k, line in enumerate(said):
            text.append(line)
            talk.append(number)
            at.append(k)
            of.append(len(said))
            persona.append(" ".join(told))
            why.append(unscorable(line, persona=told, before=said[:k]))
    a, b, c = (np.array(column, dtype=np.int64) for column in (talk, at, of))
    return Lines(text, a, b, c, persona, why)


class Earned(NamedTuple):
    """What each line earns. `contrast`: above decoys; `plain`: from its own persona; `first`: beats every decoy."""

    contrast: Floats
    plain: Floats
    first: Floats
    scorable: npt.NDArray[np.bool_]


def earned(lines: Lines, judge: LineJudge, rng: np.random.Generator, *, decoys: int = DECOYS) -> Earned:
    """Each line beside its own persona and beside `decoys` others of the same side.

    A line from which nothing can be learned earns 0 in `contrast` and `first`; where nothing is known of the speaker,
    or nobody else could be meant, all are nan.
    """
    n = len(lines.text)
    told = sorted({persona for persona in lines.persona if persona})
    number = {persona: k for k, persona in enumerate(told)}
    own = np.array([number.get(persona, -1) for persona in lines.persona], dtype=np.int64)
    rows = np.flatnonzero(own >= 0) if len(told) > 1 else np.zeros(0, dtype=np.int64)
    found = Earned(np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, dtype=bool))
    if not len(rows):
        return found
    texts = [lines.text[k] for k in rows.tolist()]
    mine = judge.belongs([told[k] for k in own[rows].tolist()], texts)
    count = min(decoys, len(told) - 1)
    # Other people's descriptions, none of them twice for one line.
    moved = 1 + np.argsort(rng.random((len(rows), len(told) - 1)), axis=1)[:, :count] if len(told) <= 400 else (
        1 + rng.integers(0, len(told) - 1, (len(rows), count))
    )  # fmt: skip
    others = (own[rows][:, None] + moved) % len(told)
    theirs = judge.belongs([told[k] for k in others.ravel().tolist()], [text for text in texts for _ in range(count)])
    beside = theirs.value.reshape(len(rows), count)
    fine = mine.scorable & np.array([not lines.why[k] for k in rows.tolist()])
    found.contrast[rows] = np.where(fine, mine.value - beside.mean(axis=1), 0.0)
    found.plain[rows] = np.where(fine, mine.value, 0.0)
    found.first[rows] = np.where(fine, (mine.value[:, None] > beside).all(axis=1), 0.0)
    found.scorable[rows] = fine
    return found
