"""Do speakers fall in with each other's function words, lengths aside, as people do?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from understudy.conversations import Corpus
from understudy.conversations.text import TOKEN_PATTERN
from understudy.measures.behaviours import writing
from understudy.measures.distributions import Labels
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet
from understudy.measures.relational.threads import Flags, laid_out, threads
from understudy.measures.resampling import Floats

if TYPE_CHECKING:
    import polars as pl

LENGTHS = (2.5, 4.5, 7.5, 11.5, 17.5, 27.5)
COMMONEST = 24
FAMILIES: dict[str, str] = {
    "articles": "a an the",
    "auxiliaries": (
        "am is are was were be been being do does did have has had can could will would shall should may might must "
        "i'm you're it's that's i've i'll i'd don't can't didn't doesn't isn't won't"
    ),
    "conjunctions": "and but or so because if while although though unless since whereas nor then as",
    "adverbs": "just very really also too still even now then here there only maybe quite never always again already",
    "personal_pronouns": "i you he she we they me him her us them my your his our their mine yours i'm you're we're",
    "impersonal_pronouns": "it its this that these those something anything everything nothing it's that's what which",
    "prepositions": "to of in for on with at from by about into over after before near between without around until",
    "quantifiers": "all some any many much more most few less every each both several lot another no enough",
}
SPEC = MeasureSpec(
    name="relational.coordination",
    question="real",
    asks="Do users fall in with the partner's function words, lengths aside, as people do?",
    unit="difference of probabilities, synthetic minus real; 0 = as people",
    range=(-2.0, 2.0),
    better="match",
    source="linguistic coordination, arXiv:1112.3670; length confound, arXiv:1412.0696",
)


def markers(real: Corpus, synthetic: Corpus) -> tuple[tuple[str, ...], Flags, str]:
    """Names of the marker families, `(turns, families)` whether a turn has each, and where they come from.

    The eight families of function words for English; elsewhere each of the commonest words of both sides together.
    """
    import polars as pl

    frame = laid_out(real, synthetic)
    low = pl.col("text").str.to_lowercase().str.replace_all("[’`´]", "'")
    words = frame.select("row", word=low.str.extract_all(TOKEN_PATTERN)).explode("word", empty_as_null=False)
    words = words.drop_nulls().unique()
    if writing(real).language == writing(synthetic).language == "en":
        listed = [(word, k) for k, body in enumerate(FAMILIES.values()) for word in body.split()]
        table = pl.DataFrame(listed, schema=["word", "family"], orient="row")
        return tuple(FAMILIES), _has(words, table, frame.height, len(FAMILIES)), "lists of function words"
    common = words.group_by("word").agg(n=pl.len()).sort(["n", "word"], descending=[True, False]).head(COMMONEST)
    table = common.select("word", family=pl.int_range(pl.len()))
    names = tuple(common["word"].to_list())
    return names, _has(words, table, frame.height, len(names)), "the commonest words of both sides"


def _has(words: pl.DataFrame, table: pl.DataFrame, turns: int, families: int) -> Flags:
    found = np.zeros((turns, families), dtype=bool)
    hits = words.join(table, on="word")
    found[hits["row"].to_numpy(), hits["family"].to_numpy()] = True
    return found


def stratified_difference(cells: Floats, strata: int) -> Floats:
    """Mantel-Haenszel difference `P(y | x) - P(y | not x)` within strata, mean over families.

    `cells`: counts `(B, families * strata * 4)`, the last axis `2 x + y`. With `n1`, `n0` the turns of a stratum with
    and without x, `sum_s w_s (p1 - p0) / sum_s w_s`, `w_s = n1 n0 / (n1 + n0)`: permuting replies within strata makes
    it 0 in expectation, whatever lengths do to x and y.

    >>> stratified_difference(np.array([[6.0, 2, 2, 6]]), 1)
    array([0.5])
    """
    n = cells.reshape(len(cells), -1, strata, 4)
    without, with_x = n[..., 0] + n[..., 1], n[..., 2] + n[..., 3]
    total = np.maximum(without + with_x, 1e-9)
    top = (n[..., 3] * without - n[..., 1] * with_x) / total
    weight = (without * with_x / total).sum(axis=2)
    value = np.divide(top.sum(axis=2), weight, out=np.zeros_like(weight), where=weight > 1e-9)
    used = (weight > 1e-9).sum(axis=1)
    mean: Floats = value.sum(axis=1) / np.maximum(used, 1)
    return mean


def _flat(x: Flags, y: Flags, stratum: Labels, strata: int) -> Labels:
    """One label a turn and family: family, stratum, x, y."""
    family = np.arange(x.shape[1])
    label = (family * strata + stratum[:, None]) * 4 + 2 * x + y
    return label.astype(np.int64)


@measure(SPEC)
def coordination(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Do users fall in with the partner's function words, lengths aside, as people do?

    For a family m of function words, over replies to turns, within strata of both lengths,

        C_m = P(m in reply | m in turn) - P(m in reply | m not in turn)

    pooled over strata after Mantel and Haenszel; the level is the mean of C_m over families, and the value its gap,
    synthetic minus real, for user replies. Seven bands of length on either side make 49 strata: what only follows
    from long turns being answered by long turns has no place left (permuting replies within strata gives 0). Parts:
    `partner`, the partner's replies; `unstratified`, the same without strata, for comparison with the literature;
    a part for each English family. Elsewhere the families are the 24 commonest words of both sides.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(copies, seed):
    ...     rng, talks = np.random.default_rng(seed), []
    ...     for i in range(80):
    ...         turns = []
    ...         for _ in range(6):
    ...             asked = rng.random() < 0.5
    ...             said = asked if rng.random() < copies else rng.random() < 0.5
    ...             turns += [Turn("assistant", "what is the hotel" if asked else "tell me what hotel"),
    ...                       Turn("user", "it is the hotel" if said else "it is my hotel")]
    ...         talks.append(Conversation(str(i), tuple(turns)))
    ...     return Corpus(talks)
    >>> m = coordination(side(0.8, 0), side(0.0, 1), rng=np.random.default_rng(0), permutations=99)
    >>> articles = next(p for p in m.parts if p.name.endswith(".articles"))
    >>> round(articles.evidence["real"], 1), abs(articles.evidence["synthetic"]) < 0.1, articles.p_value
    (0.8, True, 0.01)

    Source: Danescu-Niculescu-Mizil et al. (2012), arXiv:1112.3670; length: Gao, Ver Steeg & Galstyan (2015),
    arXiv:1412.0696. Differences: (1) the contrast is to turns without the family, not to all; (2) strata of both
    lengths; (3) own word lists; (4) pooled over speakers, with resampling by unit.
    """
    if writing(real).spaced != writing(synthetic).spaced:
        return unscored(SPEC, real, synthetic, "a word is not the same in the two scripts")
    t = threads(real, synthetic)
    names, has, origin = markers(real, synthetic)
    if not len(t.row) or not len(names):
        return unscored(SPEC, real, synthetic, "no reply with words follows a turn with words")
    sizes = laid_out(real, synthetic)["words"].to_numpy()
    bands = len(LENGTHS) + 1
    stratum = np.searchsorted(LENGTHS, sizes[t.history[:, 0]]) * bands + np.searchsorted(LENGTHS, t.words)
    sheet = Sheet(SPEC, real, synthetic)

    def add(name: str, says: str, families: slice, strata: int, user: bool) -> None:
        mine = np.flatnonzero(t.by_user == user)
        x, y = has[t.history[mine, 0], families], has[t.row[mine], families]
        place = stratum[mine] if strata > 1 else np.zeros(len(mine), dtype=np.int64)
        label = _flat(x, y, place, strata)
        talk = np.repeat(t.conversation[mine], label.shape[1])
        labels = label.shape[1] * strata * 4

        def level(cells: Floats) -> Floats:
            return stratified_difference(cells, strata)

        unit = "difference of probabilities"
        flat = label.ravel()
        sheet.counted(
            name,
            says,
            talk,
            flat,
            labels,
            level,
            unit=unit,
            bounds=(-2.0, 2.0),
            chance=0.0,
        )

    every = slice(None)
    add("", "coordination of user replies, within lengths", every, bands * bands, True)
    add("partner", "coordination of the partner's replies, within lengths", every, bands * bands, False)
    add("unstratified", "coordination of user replies, lengths not controlled", every, 1, True)
    if names == tuple(FAMILIES):
        for k, name in enumerate(names):
            add(name, f"coordination on {name.replace('_', ' ')}", slice(k, k + 1), bands * bands, True)
    return sheet.measured(rng, permutations, {"families": list(names), "families_from": origin})
