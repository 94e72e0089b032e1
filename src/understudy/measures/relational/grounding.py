"""Do speakers show each other that, and whether, they understand, as often and in the same places as people?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet
from understudy.measures.relational.marks import marked_turns
from understudy.measures.relational.threads import Flags

if TYPE_CHECKING:
    import polars as pl

FEWEST_SHARED = 30
NAMES = ("clarification", "acknowledgement", "follow_up")
SPEC = MeasureSpec(
    name="relational.grounding",
    question="real",
    asks="Do users show whether they understand as often, and at the same turns, as people?",
    unit="grounding acts a user reply, synthetic minus real; 0 = as people",
    range=(-1.0, 1.0),
    better="match",
    source="grounding acts, arXiv:2311.09144",
)


def grounding_acts(frame: pl.DataFrame) -> dict[str, Flags]:
    """Which turns clarify, acknowledge (and do nothing else), or follow up: from `marked_turns`, replies only.

    Clarification asks what was meant; a follow-up is a question on what the other just said (it shares a content
    word with it, or opens with an acknowledgement) that is no clarification.
    """
    replies, asks = frame["replies"].to_numpy(), frame["asks"].to_numpy()
    clarifies = replies & asks & frame["clarification"].to_numpy()
    acknowledges = replies & frame["acknowledgement"].to_numpy() & ~asks
    follows = replies & asks & ~clarifies & frame["taken_up"].to_numpy()
    return {"clarification": clarifies, "acknowledgement": acknowledges, "follow_up": follows}


def kappa(first: Flags, second: Flags) -> float | None:
    """Cohen's kappa of two binary readings of the same turns; None where neither varies.

    >>> round(kappa(np.array([True, True, False, False]), np.array([True, False, False, False])), 2)
    0.5
    """
    p, q = float(first.mean()), float(second.mean())
    expected = p * q + (1 - p) * (1 - q)
    return None if expected > 1 - 1e-9 else (float((first == second).mean()) - expected) / (1 - expected)


def with_taking_up(frame: pl.DataFrame, real: Corpus, synthetic: Corpus) -> pl.DataFrame:
    """The frame with `taken_up`: the turn shares a content word with the turn before it."""
    import polars as pl

    from understudy.measures.turn_words import turn_words

    words = pl.concat([turn_words(real), turn_words(synthetic).with_columns(pl.col("row") + real.turns.height)])
    words = words.with_columns(pl.col("row").cast(pl.Int64))
    shared = words.join(words.with_columns(pl.col("row") + 1), on=["row", "word"]).select("row").unique()
    return frame.with_columns(taken_up=pl.col("row").is_in(shared["row"].implode()) & pl.col("replies"))


def shared_contexts(real: Corpus, synthetic: Corpus) -> tuple[list[int], list[int]]:
    """Rows (over both corpora laid end to end) of user turns on either side after word for word the same history."""
    rows: list[list[int]] = [[], []]
    seen: dict[tuple[tuple[str, str], ...], int] = {}
    at = 0
    for corpus, side in ((real, 0), (synthetic, 1)):
        used: set[tuple[tuple[str, str], ...]] = set()
        for talk in corpus:
            history: tuple[tuple[str, str], ...] = ()
            for i, turn in enumerate(talk.turns):
                if turn.role == "user" and history and history not in used:
                    used.add(history)
                    if side == 0:
                        seen[history] = at + i
                    elif history in seen:
                        rows[0].append(seen[history])
                        rows[1].append(at + i)
                history = (*history[-4:], (turn.role, turn.text))
            at += len(talk.turns)
    return rows[0], rows[1]


def _agreement(acts: dict[str, Flags], real: Corpus, synthetic: Corpus) -> dict[str, Any]:
    first, second = shared_contexts(real, synthetic)
    if len(first) < FEWEST_SHARED:
        return {
            "shared_contexts": len(first),
            "kappa": None,
            "why": f"fewer than {FEWEST_SHARED} turns share a history",
        }
    found = {name: kappa(flags[first], flags[second]) for name, flags in acts.items()}
    return {"shared_contexts": len(first), "kappa": found}


@measure(SPEC)
def grounding(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Do users show whether they understand as often, and at the same turns, as people?

    Grounding acts are read by word list from replies (`grounding_acts`): clarification, acknowledgement whose sole
    purpose it is, follow-up. Level: share of user replies that are one of them; value: synthetic minus real. Parts:
    each act of the user; `partner`, the share of the partner's replies; `asymmetry`, (user - partner) / (user +
    partner) of the two counts, in [-1, 1]. `evidence["agreement"]`: Cohen's kappa of each act between the two sides
    at user turns with the same five turns before them, where 30 or more exist (people's turns and simulated ones in
    the same places): rates may agree while places do not. A rate says nothing about relations by itself: replies
    exchanged between conversations keep those of clarification and acknowledgement.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(reply):
    ...     turns = (Turn("assistant", "It is the old mill on the left."), Turn("user", reply),
    ...              Turn("assistant", "What do you want to do there?"), Turn("user", "I want to eat with you"))
    ...     return Corpus([Conversation(str(i), turns) for i in range(30)])
    >>> m = grounding(side("do you mean the one with the wheel?"), side("the one that i have seen"),
    ...               rng=np.random.default_rng(0), permutations=99)
    >>> m.evidence["real"], m.evidence["synthetic"], m.value
    (0.5, 0.0, -0.5)

    Source: Shaikh et al. (2024), arXiv:2311.09144. Differences: (1) acts from word lists, not from a prompted
    model; (2) both roles, and their balance.
    """
    frame = marked_turns(real, synthetic)
    if isinstance(frame, str):
        return unscored(SPEC, real, synthetic, frame)
    frame = with_taking_up(frame, real, synthetic)
    acts = grounding_acts(frame)
    any_act = np.logical_or.reduce(list(acts.values()))
    talk, replies, user = (frame[name].to_numpy() for name in ("conversation", "replies", "is_user"))
    sheet = Sheet(SPEC, real, synthetic)
    unit = "share of replies"

    def add(name: str, says: str, act: Flags, who: Flags) -> None:
        where = replies & who
        sheet.ratio(name, says, talk[where], act[where].astype(np.float64), unit=unit, bounds=(-1.0, 1.0))

    add("", "user replies that are grounding acts", any_act, user)
    for name in NAMES:
        add(name, f"user replies that are a {name.replace('_', '-')}", acts[name], user)
    add("partner", "partner replies that are grounding acts", any_act, ~user)
    shown = np.flatnonzero(any_act)
    sign = np.where(user[shown], 1.0, -1.0)
    says = "(user - partner) / (user + partner) grounding acts"
    sheet.ratio("asymmetry", says, talk[shown], sign, unit="balance", bounds=(-2.0, 2.0))
    return sheet.measured(rng, permutations, {"agreement": _agreement(acts, real, synthetic)})
