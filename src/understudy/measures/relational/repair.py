"""When something is not understood, is it repaired: how often, how precisely, and with success?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet
from understudy.measures.relational.marks import marked_turns
from understudy.measures.relational.threads import Flags

if TYPE_CHECKING:
    import polars as pl

TYPES = ("open_request", "restricted_request", "restricted_offer")
WITHIN = 3
SPEC = MeasureSpec(
    name="relational.repair",
    question="real",
    asks="Do users ask for repair as often as people do?",
    unit="repairs begun per 100 user replies, synthetic minus real; 0 = as people",
    range=(-100.0, 100.0),
    better="match",
    source="other-initiated repair, doi:10.1371/journal.pone.0136100",
)


def repairs(frame: pl.DataFrame) -> dict[str, Flags]:
    """Replies that begin a repair of what the other said, by type (the most specific that applies)."""
    taken = np.zeros(frame.height, dtype=bool)
    asks, replies = frame["asks"].to_numpy(), frame["replies"].to_numpy()
    found = {}
    for name in reversed(TYPES):
        # "I don't understand" needs no question mark; a restricted request or offer is a question.
        mine = frame[name].to_numpy() & replies & ~taken & (asks | (name == "open_request"))
        found[name] = mine
        taken |= mine
    return found


def resolved(frame: pl.DataFrame, begun: Flags) -> Flags:
    """Whether a repair begun at a turn meets no further repair or challenge by the same speaker in the next three."""
    talk, user = frame["conversation"].to_numpy(), frame["is_user"].to_numpy()
    trouble = begun | (frame["challenge"].to_numpy() & frame["replies"].to_numpy())
    at = np.flatnonzero(begun)
    good = np.ones(len(at), dtype=bool)
    for step in range(1, WITHIN + 1):
        later = np.minimum(at + step, frame.height - 1)
        good &= ~((talk[later] == talk[at]) & (user[later] == user[at]) & trouble[later] & (later > at))
    out = np.zeros(frame.height, dtype=bool)
    out[at] = good
    return out


@measure(SPEC)
def repair(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Do users ask for repair as often as people do?

    A user reply begins a repair of the partner's turn where it is an open request ("what?", "I don't understand"), a
    restricted request ("which one?") or a restricted offer ("do you mean ..?"), read by word list. Level: per 100
    user replies; value: synthetic minus real. Parts: the share of each type among repairs; `success`, the share
    followed by no further repair or challenge of the same user within three turns; `self_repair`, user turns that
    mend their own, and `partner`, repairs by the partner, both per 100.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(reply):
    ...     turns = (Turn("assistant", "The fare is a day-return."), Turn("user", reply),
    ...              Turn("assistant", "It takes you there and back on the day."), Turn("user", "I have that, thanks"))
    ...     return Corpus([Conversation(str(i), turns) for i in range(30)])
    >>> m = repair(side("I don't understand what that is for"), side("what time is it that you have"),
    ...            rng=np.random.default_rng(0), permutations=99)
    >>> m.evidence["real"], m.evidence["synthetic"], m.p_value
    (50.0, 0.0, 0.01)

    Source: Dingemanse et al. (2015), doi:10.1371/journal.pone.0136100. Differences: (1) per 100 replies, as text has
    no minutes; (2) word lists read the types, so a repair that only its place shows is missed.
    """
    frame = marked_turns(real, synthetic)
    if isinstance(frame, str):
        return unscored(SPEC, real, synthetic, frame)
    kinds = repairs(frame)
    begun = np.logical_or.reduce(list(kinds.values()))
    talk, replies, user = (frame[name].to_numpy() for name in ("conversation", "replies", "is_user"))
    sheet = Sheet(SPEC, real, synthetic)

    def rate(name: str, says: str, act: Flags, where: Flags) -> None:
        value = 100.0 * act[where].astype(np.float64)
        sheet.ratio(name, says, talk[where], value, unit="per 100 turns", bounds=(-100.0, 100.0))

    def share(name: str, says: str, act: Flags, where: Flags) -> None:
        value = act[where].astype(np.float64)
        sheet.ratio(name, says, talk[where], value, unit="share of repairs", bounds=(-1.0, 1.0))

    rate("", "repairs begun by the user", begun, replies & user)
    for name in TYPES:
        share(name, f"repairs by the user that are a {name.replace('_', ' ')}", kinds[name], begun & user)
    share("success", "repairs by the user after which none follows", resolved(frame, begun), begun & user)
    rate("self_repair", "user turns that mend their own", frame["self_repair"].to_numpy(), user)
    rate("partner", "repairs begun by the partner", begun, replies & ~user)
    return sheet.measured(rng, permutations, {"found": {k: int((v & user).sum()) for k, v in kinds.items()}})
