"""What users do more or less of, as rates over user turns, and how rates differ between sets of conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Conversation, Corpus
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

    >>> from understudy.conversations import Turn
    >>> said = ("a cheap hotel please", "what is it", "a cheap hotel now please")
    >>> talk = Conversation("a", tuple(Turn("user", text) for text in said))
    >>> found = tallies([Corpus([talk])])[0]
    >>> found.top[0].tolist(), found.bottom[0].tolist()
    ([1.0, 1.0, 0.0, 12.0, 0.0], [3.0, 2.0, 3.0, 3.0, 3.0])
    """
    import polars as pl

    from understudy.measures.behaviours import user_turn_behaviours

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
    again = np.array([_repeats(talk) for talk in talks], dtype=float).reshape(n)
    speaks = turns > 0
    top = np.column_stack([left * speaks, again, column["hedging"], column["words"], column["complaints"]])
    bottom = np.column_stack([turns, np.maximum(turns - 1, 0), turns, turns, turns])
    ends = np.cumsum([len(corpus) for corpus in corpora])
    return [
        Tally(top[end - len(corpus) : end], bottom[end - len(corpus) : end], corpus.unit_ids)
        for corpus, end in zip(corpora, ends.tolist(), strict=True)
    ]


def _repeats(talk: Conversation) -> int:
    earlier: list[set[str]] = []
    found = 0
    for turn in talk.turns:
        if turn.role != "user":
            continue
        words = set(terms(turn.text.lower()))
        if len(words) < _FEWEST_WORDS:
            continue
        found += any(len(words & other) >= _ALIKE * len(words | other) for other in earlier)
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


def let_downs(corpus: Corpus) -> float | None:
    """The share of partner turns that fail (a word list) or repeat one of its own: the dose that its users got.

    None where no partner speaks. Where the users' language has no word list, repeats alone.
    """
    import polars as pl

    from understudy.measures.behaviour_lexicons import partner_pattern
    from understudy.measures.behaviours import writing

    low = pl.col("text").str.to_lowercase().str.replace_all("’", "'")
    body = partner_pattern(writing(corpus).language, "trouble")
    fails = pl.lit(value=False) if body is None else low.str.contains(body)
    again = pl.int_range(pl.len()).over("conversation", low.str.replace_all(r"\W+", "")) > 0
    frame = corpus.turns.filter(~pl.col("is_user")).select(down=fails | again)
    return round(float(frame["down"].cast(pl.Float64).to_numpy().mean()), 4) if len(frame) else None
