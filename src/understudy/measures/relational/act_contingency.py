"""Does what a turn does follow from what the turn before it did, as among people?"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Corpus
from understudy.conversations.text import TOKEN_PATTERN
from understudy.measures.behaviours import PARTNER_ACTS, partner_turn_acts, user_turn_behaviours, user_turns, writing
from understudy.measures.distributions import Labels
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet
from understudy.measures.resampling import Floats
from understudy.measures.speech_acts import user_acts
from understudy.seeds import stream

PLACES = (1, 3)
LENGTHS = (1, 2, 3, 5, 7, 10, 15, 22)  # words of a reply, the last of each band
FEWEST = 4
SHUFFLES = 3
SPEC = MeasureSpec(
    name="relational.act_contingency",
    question="real",
    asks="Does what the user does follow from what the partner just did as much as among people?",
    unit="bits a turn, synthetic minus real; 0 = as people",
    range=(None, None),
    better="match",
    source="adjacency pairs, doi:10.2307/412243",
)


def mirrored(corpus: Corpus) -> Corpus:
    """The same conversations with the roles exchanged: how partners are read by what reads users.

    >>> from understudy.conversations import Conversation, Turn
    >>> mirrored(Corpus([Conversation("a", (Turn("assistant", "hello"),))]))[0].turns[0].role
    'user'
    """

    def build(source: Corpus) -> Corpus:
        return Corpus([msgspec.structs.replace(c, turns=c.view_for("assistant")) for c in source], source.card)

    return corpus.memo("relational.mirrored", build)


def information_gain(cells: Floats, places: int, before: int) -> tuple[Floats, Floats]:
    """Information, in bits, between the act before and the act within places, beyond that of shuffled pairs; H(act).

    `cells`: counts `(B, (1 + shuffles) * places * before * acts)`: the pairs as they are, then as often with the acts
    before exchanged between conversations. A plug-in information exceeds the truth by an amount that depends on the
    size and shape of the table; the shuffled tables have the same size and margins, so it cancels.

    >>> true, shuffled = [50.0, 0, 0, 50], [25.0, 25, 25, 25]
    >>> [float(x[0]) for x in information_gain(np.array([true + SHUFFLES * shuffled]), 1, 2)]
    [1.0, 1.0]
    """
    n = cells.reshape(len(cells), -1, places, before, cells.shape[1] // ((1 + SHUFFLES) * places * before))
    size = n.sum(axis=(3, 4))
    share = size / np.maximum(size.sum(axis=2, keepdims=True), 1e-9)

    def entropy(counts: Floats) -> Floats:
        p = counts / np.maximum(counts.sum(axis=3, keepdims=True), 1e-9)
        value: Floats = -(p * np.log2(p, out=np.zeros_like(p), where=p > 0)).sum(axis=3)
        return value

    acts = entropy(n.sum(axis=3))
    each = acts + entropy(n.sum(axis=4)) - entropy(n.reshape(*n.shape[:3], -1))
    bits = (share * each).sum(axis=2)
    return bits[:, 0] - bits[:, 1:].mean(axis=1), (share * acts).sum(axis=2)[:, 0]


class Acts(NamedTuple):
    """User turns that reply to a partner turn, both sides, real first; `act` and `before` number their names; `length`
    is the band of their words.
    """

    conversation: Labels
    place: Labels
    length: Labels
    before: Labels
    act: Labels
    names: tuple[str, ...]
    before_names: tuple[str, ...]
    origin: str


def act_pairs(real: Corpus, synthetic: Corpus) -> Acts:
    """Acts of user turns and of the partner turns that they reply to.

    Acts as `user_acts` reads them, for both roles (the corpora's own labels, else word lists, else marks), so that
    a corpus labelled on both sides is compared on its labels.
    """
    import polars as pl

    acts = user_acts(real, synthetic)
    theirs = user_acts(mirrored(real), mirrored(synthetic))
    use_own = theirs.origin == "own labels" or acts.origin == "punctuation"
    frames, partner_rows, first_row, first = [], [], 0, 0
    for corpus in (real, synthetic):
        frames.append(
            user_turns(corpus).select(
                conversation=pl.col("conversation").cast(pl.Int64) + first,
                place=pl.int_range(pl.len()).over("conversation"),
                partner=(pl.col("partner_row").cast(pl.Int64) + first_row).fill_null(-1),
                read=partner_turn_acts(corpus)["act"].cast(pl.Int64),
                words=pl.col("low").str.count_matches(TOKEN_PATTERN).cast(pl.Int64),
            )
        )
        partner_rows.append(np.flatnonzero(~corpus.turns["is_user"].to_numpy()) + first_row)
        first_row, first = first_row + corpus.turns.height, first + len(corpus)
    frame = pl.concat(frames)
    replied = np.flatnonzero(frame["partner"].to_numpy() >= 0)
    before_names: tuple[str, ...] = PARTNER_ACTS
    before = frame["read"].to_numpy()[replied]
    if use_own:
        at = np.searchsorted(np.concatenate(partner_rows), frame["partner"].to_numpy()[replied])
        before, before_names = theirs.label[at], theirs.names
    place = np.searchsorted(PLACES, frame["place"].to_numpy()[replied])
    length = np.searchsorted(LENGTHS, frame["words"].to_numpy()[replied])
    talk = frame["conversation"].to_numpy()[replied]
    origin = acts.origin if not use_own or theirs.origin == acts.origin else f"{acts.origin}; {theirs.origin}"
    return Acts(talk, place, length, before, acts.label[replied], acts.names, before_names, origin)


def _asked_and_answered(real: Corpus, synthetic: Corpus) -> tuple[Labels, Floats, Floats] | str:
    """Questions by the partner, and whether the user's reply takes them up (a reading by word list)."""
    if not (writing(real).language == writing(synthetic).language != ""):
        return "no word list reads answers in the language of both sides"
    talk, answered, asked = [], [], []
    for corpus, first in ((real, 0), (synthetic, len(real))):
        ignored = user_turn_behaviours(corpus)["ignores_question"]
        known = (~ignored.is_null()).to_numpy()
        talk.append(user_turn_behaviours(corpus)["conversation"].to_numpy().astype(np.int64)[known] + first)
        answered.append(1.0 - ignored.drop_nulls().to_numpy().astype(np.float64))
        asked.append(np.ones(int(known.sum())))
    return np.concatenate(talk), np.concatenate(answered), np.concatenate(asked)


@measure(SPEC)
def act_contingency(
    real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999
) -> Measurement:
    """Does what the user does follow from what the partner just did as much as among people?

    `I(act; act before | place)` in bits over user replies, with places the first, the second to third and the later
    replies (greetings open and thanks close without anybody following anybody), less the same for acts exchanged
    between conversations, among replies as long (`information_gain`): what length alone says of an act, questions
    being answered in few words, is in both and cancels. 0 where acts do not follow from each other. Value: synthetic
    minus real. Parts: `uncertainty`, H(act | act before, place) / H(act | place), 1 where nothing follows;
    `completion`, the share of the partner's questions whose reply has an answer's form or shares a content word with
    it (word lists); `partner`, the information that users' acts give about the partner's next act.

    >>> from understudy.testing.relations import exchanges, shuffled_acts
    >>> real, other = exchanges(60, seed=0), exchanges(60, seed=1)
    >>> mixed = shuffled_acts(other, rng=np.random.default_rng(0))
    >>> m = act_contingency(real, mixed, rng=np.random.default_rng(0), permutations=99)
    >>> round(m.evidence["real"], 1), abs(m.evidence["synthetic"]) < 0.1, m.p_value, m.evidence["acts_from"]
    (1.7, True, 0.01, 'own labels')

    Source: adjacency pairs, doi:10.2307/412243. Difference: information within places, beyond chance, instead of a
    raw transition entropy, so that act frequencies, openings, lengths and the size of the sample cancel.
    """
    pairs = act_pairs(real, synthetic)
    sheet = Sheet(SPEC, real, synthetic)
    if not len(pairs.act):
        return unscored(SPEC, real, synthetic, "no user turn replies to a partner turn")
    _add_information(sheet, pairs, "", "information of the partner's act about the user's next act")
    answers = _asked_and_answered(real, synthetic)
    says = "share of the partner's questions that the reply answers"
    if isinstance(answers, str):
        sheet.lacks("completion", says, answers)
    else:
        unit = "share of questions"
        sheet.ratio("completion", says, answers[0], answers[1], answers[2], unit=unit, bounds=(-1.0, 1.0))
    turned = act_pairs(mirrored(real), mirrored(synthetic))
    if len(turned.act):
        _add_information(sheet, turned, "partner", "information of the user's act about the partner's next act")
    return sheet.measured(rng, permutations, {"acts_from": pairs.origin, "acts": list(pairs.names)})


def _add_information(sheet: Sheet, pairs: Acts, name: str, says: str) -> None:
    places, before, acts = len(PLACES) + 1, len(pairs.before_names), len(pairs.names)
    rng = stream(0, "relational.act_contingency")
    heard = [pairs.before, *(_exchanged(pairs, sheet, rng) for _ in range(SHUFFLES))]
    labels = places * before * acts
    label = [k * labels + (pairs.place * before + b) * acts + pairs.act for k, b in enumerate(heard)]
    talk, flat = np.tile(pairs.conversation, len(heard)), np.concatenate(label)

    def gain(cells: Floats) -> Floats:
        return information_gain(cells, places, before)[0]

    def uncertainty(cells: Floats) -> Floats:
        bits, whole = information_gain(cells, places, before)
        return 1.0 - np.divide(bits, whole, out=np.zeros_like(whole), where=whole > 1e-9)

    labels *= len(heard)
    sheet.counted(name, says, talk, flat, labels, gain, unit="bits a turn", chance=0.0)
    if not name:
        asks = "H(user act | partner act, place) / H(user act | place)"
        sheet.counted("uncertainty", asks, talk, flat, labels, uncertainty, unit="share of the entropy")


def _exchanged(pairs: Acts, sheet: Sheet, rng: np.random.Generator) -> Labels:
    """Acts before, permuted within side, place and length of the reply; of a rare length, among all rare ones."""
    out = pairs.before.copy()
    side = pairs.place * 2 + (pairs.conversation >= sheet.pooled.n_real)
    group = side * (len(LENGTHS) + 2) + 1 + pairs.length
    rare = np.bincount(group)[group] < FEWEST
    group[rare] = side[rare] * (len(LENGTHS) + 2)
    for code in np.unique(group):
        members = np.flatnonzero(group == code)
        out[members] = pairs.before[rng.permutation(members)]
    return out
