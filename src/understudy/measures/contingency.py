"""What each user turn replies to, and how much of it that turn takes up."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.behaviours import partner_turn_acts, user_turn_behaviours, user_turns
from understudy.measures.distributions import Labels
from understudy.measures.resampling import Floats
from understudy.measures.turn_words import turn_space

if TYPE_CHECKING:
    import polars as pl

EARLIER = 4


class Replies(NamedTuple):
    """User turns of both sides, real first, one entry a turn.

    `asked` is the row of the partner turn just before, or -1, and `row` that of the turn itself, among all turns
    of both corpora laid end to end; `partner` indexes `PARTNER_ACTS`; `third` is 0 to 2, by user turns.
    """

    conversation: Labels
    partner: Labels
    third: Labels
    asked: Labels
    row: Labels
    words: Floats
    echo: Floats


def replies(real: Corpus, synthetic: Corpus) -> Replies:
    """What each user turn replies to, over both corpora."""
    import polars as pl

    def side(corpus: Corpus, first: int, first_row: int) -> pl.DataFrame:
        count = pl.len().over("conversation")
        third = (3 * pl.int_range(pl.len()).over("conversation")) // count
        return user_turns(corpus).select(
            conversation=pl.col("conversation").cast(pl.Int64) + first,
            third=third,
            row=pl.col("row").cast(pl.Int64) + first_row,
            asked=(pl.col("partner_row").cast(pl.Int64) + first_row).fill_null(-1),
            partner=partner_turn_acts(corpus)["act"].cast(pl.Int64),
            words=user_turn_behaviours(corpus)["n_words"].cast(pl.Float64),
            echo=user_turn_behaviours(corpus)["echo"].cast(pl.Float64),
        )

    frame = pl.concat([side(real, 0, 0), side(synthetic, len(real), real.turns.height)])
    whole = {name: frame[name].to_numpy() for name in ("conversation", "partner", "third", "asked", "row", "words")}
    return Replies(**whole, echo=frame["echo"].fill_null(float("nan")).to_numpy())


def contingencies(real: Corpus, synthetic: Corpus) -> tuple[Floats, Floats]:
    """How much more does each user turn share with the partner turn before it than with the partner's earlier turns?

    Two arrays over the user turns, real first: in words, `sum of idf of shared words / sum of idf of the turn's
    words`, in [-1, 1]; in content, the cosine of TF-IDF/SVD vectors, in [-2, 2]. Each is the value for the turn
    just before minus the mean over up to four partner turns before that one: topic, style and vocabulary cancel
    and what stays is taking up. Later partner turns are no reference, since they answer this very turn. Replies
    moved in from other conversations give about 0. nan: no partner turn directly before, no earlier one, or no
    content word.

    >>> from understudy.conversations import Conversation, Turn
    >>> asked, said = ("Any food?", "Which area?"), ("thai food", "any area")
    >>> turns = [Turn(*t) for a, u in zip(asked, said) for t in (("assistant", a), ("user", u))]
    >>> talk = Corpus([Conversation("a", tuple(turns))])
    >>> contingencies(talk, talk)[0].round(2).tolist()
    [nan, 1.0, nan, 1.0]
    """
    from scipy import sparse

    space = turn_space(real, synthetic)
    turns = replies(real, synthetic)
    is_user = np.concatenate([c.turns["is_user"].to_numpy() for c in (real, synthetic)])
    talk = np.concatenate([c.turns["conversation"].to_numpy().astype(np.int64) for c in (real, synthetic)])
    talk[real.turns.height :] += len(real)
    partners = np.flatnonzero(~is_user)
    replied = np.flatnonzero(turns.asked >= 0)
    at = np.searchsorted(partners, turns.asked[replied])
    # One row a reply: 1 at the turn replied to, -1/k at each of the k earlier ones.
    entries = [(np.arange(len(replied)), turns.asked[replied])]
    for back in range(1, EARLIER + 1):
        which = np.flatnonzero(at >= back)
        which = which[talk[partners[at[which] - back]] == turns.conversation[replied[which]]]
        entries.append((which, partners[at[which] - back]))
    line, column = (np.concatenate(x) for x in zip(*entries, strict=True))
    earlier = np.bincount(line, minlength=len(replied)) - 1.0
    weight = np.where(np.arange(len(line)) < len(replied), 1.0, -1.0 / np.maximum(earlier[line], 1))
    contrast = sparse.csr_matrix((weight.astype(np.float32), (line, column)), (len(replied), len(talk)))
    own = space.rare[turns.row[replied]]
    total = np.asarray(own.sum(axis=1)).ravel()
    seen = np.where((earlier > 0) & (total > 0), 1.0, np.nan)
    words = np.asarray(own.multiply(contrast @ space.rare.sign()).sum(axis=1)).ravel() * seen / np.maximum(total, 1e-9)
    content = np.einsum("ij,ij->i", space.meaning[turns.row[replied]], contrast @ space.meaning) * seen
    found = []
    for value in (words, content):
        whole: Floats = np.full(len(turns.asked), np.nan)
        whole[replied] = value
        found.append(whole)
    return found[0], found[1]
