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
    """How much more does each user turn share with the partner turn before it than with the partner's other turns?

    Two arrays over the user turns, real first: in words, `sum of idf of shared words / sum of idf of the turn's
    words`, in [-1, 1]; in content, the cosine of TF-IDF/SVD vectors, in [-2, 2]. Each is the value for the turn
    just before minus the mean over the partner's other turns in the same conversation: topic, style and
    vocabulary cancel and what stays is taking up. nan: no partner turn directly before, no other partner turn, or
    no content word. Replies moved in from other
    conversations give about 0.

    >>> from understudy.conversations import Conversation, Turn
    >>> asked, said = ("Any food?", "Which area?"), ("thai food", "any area")
    >>> turns = [Turn(*t) for a, u in zip(asked, said) for t in (("assistant", a), ("user", u))]
    >>> talk = Corpus([Conversation("a", tuple(turns))])
    >>> contingencies(talk, talk)[0].round(2).tolist()
    [0.43, 1.0, 0.43, 1.0]
    """
    from scipy import sparse

    space = turn_space(real, synthetic)
    turns = replies(real, synthetic)
    is_user = np.concatenate([c.turns["is_user"].to_numpy() for c in (real, synthetic)])
    talk = np.concatenate(
        [
            real.turns["conversation"].to_numpy().astype(np.int64),
            synthetic.turns["conversation"].to_numpy().astype(np.int64) + len(real),
        ]
    )
    partners = np.flatnonzero(~is_user)
    total = len(real) + len(synthetic)
    members = sparse.csr_matrix((np.ones(len(partners), np.float32), (talk[partners], partners)), (total, len(talk)))
    others = np.bincount(talk[partners], minlength=total)[turns.conversation] - 1.0
    usable = (turns.asked >= 0) & (others >= 1)
    row, asked, where = turns.row[usable], turns.asked[usable], turns.conversation[usable]
    found = []
    present = space.rare.sign()
    own = space.rare[row]
    size = np.asarray(own.sum(axis=1)).ravel()
    before = np.asarray(own.multiply(present[asked]).sum(axis=1)).ravel()
    everywhere = np.asarray(own.multiply((members @ present)[where]).sum(axis=1)).ravel()
    words = (before - (everywhere - before) / others[usable]) / np.where(size > 0, size, np.nan)
    vector = space.meaning[row]
    near = np.einsum("ij,ij->i", vector, space.meaning[asked])
    everywhere = np.einsum("ij,ij->i", vector, np.asarray(members @ space.meaning)[where])
    content = np.where(size > 0, near - (everywhere - near) / others[usable], np.nan)
    for value in (words, content):
        whole: Floats = np.full(len(usable), np.nan)
        whole[usable] = value
        found.append(whole)
    return found[0], found[1]
