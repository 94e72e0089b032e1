"""What users do more or less of, as rates over user turns, and how rates differ between sets of conversations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.behaviour_lexicons import partner_pattern
from understudy.measures.behaviours import user_turn_behaviours, writing
from understudy.measures.measurement import Estimate
from understudy.scenarios.topics import terms

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]
FEWEST = 10  # units from which an interval is given
BEHAVIOURS: Mapping[str, tuple[str, str]] = {
    "leaving": ("departures a user turn", "Do users leave sooner?"),
    "repeats": ("share of later user turns", "Do users say again what they have said?"),
    "hedging": ("share of user turns", "Do users hedge more?"),
    "length": ("words a user turn", "Do users say more, or less?"),
    "complaints": ("share of user turns", "Do users complain more?"),
}
_ALIKE = 0.5  # Jaccard index of the words of two turns from which one says the other again
_FEWEST_WORDS = 3
_LISTED = ("hedging", "complaints")


class Tally(NamedTuple):
    """A row a conversation, a column a behaviour: what was counted, and out of how much. NaN: cannot be read."""

    top: Floats
    bottom: Floats
    units: Names

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> Tally:
        return Tally(self.top[rows], self.bottom[rows], self.units[rows])


class Reaction(NamedTuple):
    """A weighted sum of rates, with its interval over units."""

    value: float
    error: float
    low: float
    high: float
    p_value: float
    units: int


def tallies(corpora: Sequence[Corpus]) -> list[Tally]:
    """How often do the users of each corpus leave, repeat themselves, hedge and complain, and how long are their turns?

    Columns as in `BEHAVIOURS`. `leaving` counts a conversation that its user may have ended (anything but the turn
    limit, the partner or a fault), out of its user turns: a hazard. `repeats` counts user turns whose words overlap
    those of an earlier own turn by a Jaccard index of at least .5, three words or more on each side, out of the
    turns after the first. Hedging and complaints (words of dislike or trouble) need a word list. The corpora are read
    as one, so that all are held to the same lists.

    >>> said = ("a cheap hotel please", "what is it", "a cheap hotel now please")
    >>> talk = Conversation("a", tuple(Turn("user", text) for text in said))
    >>> found = tallies([Corpus([talk])])[0]
    >>> found.top[0].tolist(), found.bottom[0].tolist()
    ([1.0, 1.0, 0.0, 12.0, 0.0], [3.0, 2.0, 3.0, 3.0, 3.0])
    """
    import polars as pl

    talks = [talk for corpus in corpora for talk in corpus]
    whole = Corpus(talks)
    frame = user_turn_behaviours(whole).select(
        "conversation", "n_words", hedging=pl.col("hedges") > 0, complaints=pl.col("negative") > 0
    )
    sums = frame.group_by("conversation").agg(
        *(pl.when(pl.col(name).count() > 0).then(pl.col(name).cast(pl.Float64).sum()) for name in _LISTED),
        turns=pl.len(),
        words=pl.col("n_words").cast(pl.Float64).sum(),
    )
    n = len(talks)
    column = {name: np.zeros(n) for name in ("turns", "words", *_LISTED)}
    at = sums["conversation"].to_numpy()
    for name, values in column.items():
        values[at] = sums[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
    turns = column["turns"]
    left = np.array([talk.ending is None or talk.ending.by == "user" for talk in talks], dtype=float)
    again = np.array([sum(_repeats(talk)) for talk in talks], dtype=float).reshape(n)
    speaks = turns > 0
    top = np.column_stack([left * speaks, again, column["hedging"], column["words"], column["complaints"]])
    bottom = np.column_stack([turns, np.maximum(turns - 1, 0), turns, turns, turns])
    ends = np.cumsum([len(corpus) for corpus in corpora])
    return [
        Tally(top[end - len(corpus) : end], bottom[end - len(corpus) : end], corpus.unit_ids)
        for corpus, end in zip(corpora, ends.tolist(), strict=True)
    ]


def _repeats(talk: Conversation) -> list[bool]:
    """Of each user turn: whether it says again what this user has said."""
    earlier: list[set[str]] = []
    found = []
    for turn in talk.turns:
        if turn.role != "user":
            continue
        words = set(terms(turn.text.lower()))
        telling = len(words) >= _FEWEST_WORDS
        found.append(telling and any(len(words & other) >= _ALIKE * len(words | other) for other in earlier))
        if telling:
            earlier.append(words)
    return found


def weighed(sides: Sequence[tuple[float, Tally]], behaviour: str, *, level: float = 0.95) -> Reaction | str:
    """A weighted sum of the sides' rates of one behaviour, with its interval over units; or why there is none.

    The rate of a side is a ratio of sums, `sum(top) / sum(bottom)`. The error is linearised: a unit contributes
    `sum_s w_s (top - rate_s bottom) / sum(bottom_s)` over all of its conversations on all sides, so that a unit
    that stands on several sides is paired with itself. `value ± t(G - 1) SE` over G units (Cameron & Miller 2015,
    doi:10.3368/jhr.50.2.317).

    >>> side = lambda left: Tally(np.tile(left, (12, 5)), np.tile(4.0, (12, 5)), np.arange(12).astype(str))
    >>> weighed([(1.0, side(1.0)), (-1.0, side(0.5))], "leaving").value
    0.125
    """
    from scipy import stats

    k = list(BEHAVIOURS).index(behaviour)
    value, names, parts = 0.0, [], []
    for weight, side in sides:
        top, bottom = side.top[:, k], side.bottom[:, k]
        known = ~np.isnan(top) & (bottom > 0)
        if not known.any():
            return "no user turn that it could be read from"
        top, bottom = top[known], bottom[known]
        rate = top.sum() / bottom.sum()
        value += weight * float(rate)
        names.append(side.units[known])
        parts.append(weight * (top - rate * bottom) / bottom.sum())
    _, member = np.unique(np.concatenate(names), return_inverse=True)
    groups = int(member.max()) + 1
    if groups < FEWEST:
        return f"{groups} users; at least {FEWEST} are needed"
    each = np.bincount(member, np.concatenate(parts))
    error = float(np.sqrt(groups / (groups - 1) * np.square(each).sum()))
    reach = float(stats.t.ppf(0.5 + level / 2, groups - 1)) * error
    p = 1.0 if error == 0 and value == 0 else float(2 * stats.t.sf(abs(value) / max(error, 1e-300), groups - 1))
    return Reaction(value, error, value - reach, value + reach, p, groups)


def human_reactions(good: Corpus, bad: Corpus) -> dict[str, Estimate]:
    """What did real users do more of with bad partners than with good ones? The reference of every reaction.

    The difference of the rates, bad minus good, by behaviour; a user in both corpora is paired with itself.
    Behaviours that cannot be read are left out. An observed difference: people who met bad partners may differ in
    other ways, unless partners were assigned at random.
    """
    first, second = tallies([good, bad])
    found = {name: weighed([(-1.0, first), (1.0, second)], name) for name in BEHAVIOURS}
    note = f"real users, {len(bad)} conversations with bad partners minus {len(good)} with good ones"
    return {
        name: Estimate(round(r.value, 6), (r.low, r.high), note) for name, r in found.items() if not isinstance(r, str)
    }


def turn_reactions(corpus: Corpus, *, bad: Callable[[Turn], bool | None] | None = None) -> dict[str, Estimate]:
    """What do users do right after a partner turn that lets them down, beyond what they do after any other?

    The difference of the rates over user turns that directly follow a partner turn, with an interval over units; a
    conversation with both kinds is paired with itself. `leaving` is here the share of turns that are the user's
    last. `bad` says of a partner turn whether it was bad (None: unknown, left out), where the corpus carries a label;
    otherwise a turn lets down that fails (a word list) or repeats an earlier one. The same on real and on simulated
    conversations. Observed: what comes late in a conversation is not told from what the partner did.

    >>> say = ("a cheap hotel", "which area?", "north", "which area?", "north, I said, this is useless", "ok.", "bye")
    >>> turns = tuple(Turn("assistant" if k % 2 else "user", text) for k, text in enumerate(say))
    >>> talks = [Conversation(str(k), turns) for k in range(12)]
    >>> turn_reactions(Corpus(talks))["complaints"].value
    1.0
    """
    frame = user_turn_behaviours(corpus)
    talk, position = frame["conversation"].to_numpy().astype(np.int64), frame["position"].to_numpy().astype(np.int64)
    begin = np.concatenate([[0], np.cumsum([len(c.turns) for c in corpus])]).astype(np.int64)
    flat = [turn for c in corpus for turn in c.turns]
    before = np.maximum(begin[talk] + position - 1, 0)
    told = np.array([flat[k].role == "assistant" for k in before.tolist()], dtype=bool) & (position > 0)
    down = _let_down(corpus).astype(float)
    if bad is not None:
        marks = [bad(turn) if turn.role == "assistant" else None for turn in flat]
        down = np.array([np.nan if mark is None else float(mark) for mark in marks])
    kind = np.where(told, down[before], np.nan)
    last = np.append(talk[1:] != talk[:-1], True) if len(talk) else np.zeros(0, dtype=bool)
    columns = [
        last.astype(float),
        np.array([again for c in corpus for again in _repeats(c)], dtype=float),
        (frame["hedges"] > 0).cast(float).fill_null(np.nan).to_numpy(),
        frame["n_words"].cast(float).to_numpy(),
        (frame["negative"] > 0).cast(float).fill_null(np.nan).to_numpy(),
    ]
    top, units = np.column_stack(columns), corpus.unit_ids[talk]
    sides = []
    for weight, rows in ((-1.0, np.flatnonzero(kind == 0)), (1.0, np.flatnonzero(kind == 1))):
        sides.append((weight, Tally(top[rows], np.ones_like(top[rows]), units[rows])))
    found = {name: weighed(sides, name) for name in BEHAVIOURS}
    note = f"after {int((kind == 1).sum())} partner turns that let down minus {int((kind == 0).sum())} others"
    return {
        name: Estimate(round(r.value, 6), (r.low, r.high), note) for name, r in found.items() if not isinstance(r, str)
    }


def let_downs(corpus: Corpus) -> float | None:
    """The share of partner turns that fail (a word list) or repeat one of its own: the dose that its users got.

    None where no partner speaks. Where the users' language has no word list, repeats alone.
    """
    partner = ~corpus.turns["is_user"].to_numpy()
    return round(float(_let_down(corpus)[partner].mean()), 4) if partner.any() else None


def _let_down(corpus: Corpus) -> npt.NDArray[np.bool_]:
    """Of each turn: whether it is a partner's that fails or repeats one of its own."""
    import polars as pl

    low = pl.col("text").str.to_lowercase().str.replace_all("’", "'")
    body = partner_pattern(writing(corpus).language, "trouble")
    fails = pl.lit(value=False) if body is None else low.str.contains(body)
    again = pl.int_range(pl.len()).over("conversation", "is_user", low.str.replace_all(r"\W+", "")) > 0
    return np.asarray(corpus.turns.select(down=~pl.col("is_user") & (fails | again))["down"].to_numpy(), dtype=bool)
