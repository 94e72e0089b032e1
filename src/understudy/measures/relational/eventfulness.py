"""Do things said have effects: do they enter what is shared, are commitments honoured, do marks mean what they say?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, measure
from understudy.measures.relational.gaps import Sheet
from understudy.measures.relational.marks import marked_turns
from understudy.measures.relational.threads import crossed_with, kept_for
from understudy.measures.resampling import Floats, pool
from understudy.measures.turn_words import turn_words

CROSSED = 4  # other conversations that chance is averaged over
REACH = 3  # own turns within which a mark must show its effect, the marked one included
ROLES = ("user", "partner")
MARKS = ("apology", "agreement", "clarification")
SPEC = MeasureSpec(
    name="relational.eventfulness",
    question="real",
    asks="Does what the user brings up become part of the conversation as much as what people bring up?",
    unit="share of new words that the other says later, beyond chance, synthetic minus real; 0 = as people",
    range=(-2.0, 2.0),
    better="match",
    source="common ground, Clark & Brennan (1991), doi:10.1037/10096-006",
)


class Said(NamedTuple):
    """A turn: who speaks, its content words, whether it commits to something or takes it back, and its marks."""

    role: int
    words: frozenset[str]
    commits: bool = False
    withdraws: bool = False
    marks: int = 0
    asks_back: bool = False


class Effects(NamedTuple):
    """Of one conversation, by role (user, partner): what was brought up, promised and marked, and what came of it.

    `by_chance`: what would have come of it in another conversation.
    """

    new: tuple[int, int]
    taken: tuple[int, int]
    taken_by_chance: tuple[int, int]
    commitments: tuple[int, int]
    honoured: tuple[int, int]
    honoured_by_chance: tuple[int, int]
    answering_marks: tuple[int, int]
    meant: tuple[int, int]
    meant_by_chance: tuple[int, int]
    marks: tuple[int, int]


def effects(talk: list[Said], other: list[Said]) -> Effects:
    """What each turn of `talk` leads to, and by chance would lead to with `other` in its place.

    `new`: content words nobody has said before; `taken`: those that the other speaker says in a later turn (chance:
    in the turns of that role in `other` after as many of them). `commitments`: turns that commit to something named;
    `honoured`: those whose speaker names it again in a later turn without committing anew, kept or openly taken back
    (chance: likewise). `marks`: apologies, agreements, clarification questions; `answering_marks`: those to which
    the other's turn (before; of a question, after) has words new to the speaker, in `talk` and in `other`; `meant`:
    those whose speaker then uses such a word, in this or its next two turns (chance: a word
    of the turn in `other` that has about as many).

    >>> talk = [Said(0, frozenset({"mill"})), Said(1, frozenset({"mill"}), marks=1)]
    >>> found = effects(talk, [Said(0, frozenset({"tram"})), Said(1, frozenset({"bus"}))])
    >>> found.new, found.taken, found.taken_by_chance, found.meant, found.meant_by_chance
    ((1, 0), (1, 0), (0, 0), (0, 1), (0, 0))
    """
    out = np.zeros((len(Effects._fields), 2), dtype=np.int64)
    known: set[str] = set()
    spoken: tuple[set[str], set[str]] = (set(), set())
    turns, theirs = ([[s for s in side if s.role == role] for role in (0, 1)] for side in (talk, other))
    futures = [_futures(side) for side in (*turns, *theirs)]
    count = [0, 0]
    for at, turn in enumerate(talk):
        me, you = turn.role, 1 - turn.role
        fresh = turn.words - known
        out[0:3, me] += (len(fresh), *(len(fresh & _from(futures[k + you], count[you])) for k in (0, 2)))
        if turn.commits and turn.words:
            later = [side[me][count[me] + 1 :] for side in (turns, theirs)]
            out[3:6, me] += (
                1,
                *(any(turn.words & s.words and (s.withdraws or not s.commits) for s in x) for x in later),
            )
        if turn.marks or turn.asks_back:
            out[9, me] += 1
            source = at + 1 if turn.asks_back else at - 1
            if 0 <= source < len(talk) and talk[source].role == you and theirs[you]:
                named = [s.words - spoken[me] for s in (talk[source], _like(talk[source], theirs[you]))]
                used = turns[me][count[me] + turn.asks_back : count[me] + REACH]
                if all(named):
                    out[6:9, me] += (1, *(any(words & s.words for s in used) for words in named))
        known |= turn.words
        spoken[me].update(turn.words)
        count[me] += 1
    return Effects(*((int(a), int(b)) for a, b in out))


def _like(turn: Said, among: list[Said]) -> Said:
    """The turn with the most similar number of content words."""
    return min(among, key=lambda s: abs(len(s.words) - len(turn.words)))


def _futures(turns: list[Said]) -> list[frozenset[str]]:
    """Words said in turn k or later, for each k."""
    ahead = [frozenset[str]()]
    for turn in reversed(turns):
        ahead.append(ahead[-1] | turn.words)
    return ahead[::-1]


def _from(futures: list[frozenset[str]], place: int) -> frozenset[str]:
    return futures[min(place, len(futures) - 1)]


class Ledger(NamedTuple):
    """`Effects` of all conversations, real first, `(conversations, 10, 2)`, nan by chance where there is no other
    unit; and why word lists cannot be used, if so.
    """

    counts: Floats
    no_lists: str

    def of(self, field: str, role: int) -> Floats:
        """One field of `Effects` by conversation."""
        column: Floats = self.counts[:, Effects._fields.index(field), role]
        return column

    def beyond(self, field: str, of: str, role: int) -> tuple[Floats, Floats]:
        """Effects beyond chance, and what could have had them."""
        top = self.of(field, role) - self.of(f"{field}_by_chance", role)
        return top, np.where(np.isnan(top), np.nan, self.of(of, role))


def ledger(real: Corpus, synthetic: Corpus) -> Ledger:
    """The effects of every conversation, and those that another conversation of its side would have had on it."""
    found: Ledger = kept_for(real, synthetic, "ledger", lambda: _ledger(real, synthetic))
    return found


def _ledger(real: Corpus, synthetic: Corpus) -> Ledger:
    frame = marked_turns(real, synthetic)
    no_lists = frame if isinstance(frame, str) else ""
    columns: dict[str, list[bool]] = {}
    if not isinstance(frame, str):
        columns = {name: frame[name].to_list() for name in (*MARKS, "commitment", "withdrawal", "asks")}
    pooled = pool(real, synthetic)
    found: list[Floats] = []
    first = 0
    for corpus, units in ((real, pooled.unit[: len(real)]), (synthetic, pooled.unit[len(real) :])):
        talks = _said(corpus, columns, first)
        for talk, several in zip(talks, crossed_with(corpus, units, CROSSED).tolist(), strict=True):
            others = [talks[other] for other in several if other >= 0]
            row: Floats = np.array([effects(talk, other) for other in others or [[]]], dtype=np.float64).mean(axis=0)
            if not others:
                row[[name.endswith("by_chance") for name in Effects._fields]] = np.nan
            found.append(row)
        first += corpus.turns.height
    return Ledger(np.stack(found), no_lists)


def _said(corpus: Corpus, columns: dict[str, list[bool]], first: int) -> list[list[Said]]:
    words: dict[int, set[str]] = {}
    for row, word in turn_words(corpus).iter_rows():
        words.setdefault(row, set()).add(word)
    talks, row = [], 0
    for conversation in corpus:
        talk = []
        for turn in conversation.turns:
            has = {name: flags[first + row] for name, flags in columns.items()}
            asks_back = has.get("clarification", False) and has["asks"]
            marks = sum(has.get(name, False) for name in ("apology", "agreement")) * (not asks_back)
            role, named = int(turn.role != "user"), frozenset(words.get(row, ()))
            talk.append(Said(role, named, has.get("commitment", False), has.get("withdrawal", False), marks, asks_back))
            row += 1
        talks.append(talk)
    return talks


@measure(SPEC)
def eventfulness(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Does what is said have effects, as much as among people?

    Level: the share of the content words first said by the user that the partner says in a later turn, less the
    same with the later turns of other conversations of its side (four, same topic, like length) in the place of the
    true ones; 0 where turns only look like an exchange. Value: synthetic minus real. Parts, each for `user` and
    `partner` and beyond chance: `partner_update`, the share of the partner's new words that the user says later;
    `honoured_*`, the share of commitments ("I will ..") whose speaker names them again, kept or openly taken back;
    `effect_*`, the share of apologies, agreements and clarification questions after which their speaker uses what the
    other said (`effects`). Beside them, without chance taken off: `silent_*`, commitments never named again, and the
    plain rates `commitments_*` and `marks_*` per 100 turns, which a set of mere marks can have right while all else is
    0.
    `evidence["pseudo_event"]` is `1 - min / max` of the two directions of update, by side.

    All of it is counted from words in common and word lists: it measures dependence, not what anybody meant.

    >>> from understudy.testing.relations import events
    >>> m = eventfulness(events(60, seed=0), events(60, seed=1, shared=False), rng=np.random.default_rng(0),
    ...                  permutations=99)
    >>> marks = next(p for p in m.parts if p.name.endswith(".marks_partner"))
    >>> bool(m.value < -0.3), m.p_value, abs(m.evidence["synthetic"]) < 0.1, abs(marks.value) < 3
    (True, 0.01, True, True)

    Source: common ground, Clark & Brennan (1991), doi:10.1037/10096-006; the operationalisation is this project's.
    """
    book = ledger(real, synthetic)
    sheet = Sheet(SPEC, real, synthetic)
    talk = np.arange(len(book.counts), dtype=np.int64)

    def beyond(name: str, says: str, field: str, of: str, role: int) -> None:
        top, size = book.beyond(field, of, role)
        unit = f"share of {of.replace('_', ' ')}"
        sheet.ratio(name, f"{says}, beyond chance", talk, top, size, unit=unit, bounds=(-2.0, 2.0), chance=0.0)

    beyond("", "the user's new words that the partner says later", "taken", "new", 0)
    beyond("partner_update", "the partner's new words that the user says later", "taken", "new", 1)
    sizes = np.array([len(c.turns) for c in (*real, *synthetic)], dtype=np.float64)
    for role, who in enumerate(ROLES):
        if book.no_lists:
            for name in ("honoured", "effect", "silent", "commitments", "marks"):
                sheet.lacks(f"{name}_{who}", f"{name} of the {who}", book.no_lists)
            continue
        beyond(f"honoured_{who}", f"commitments of the {who} named again", "honoured", "commitments", role)
        beyond(f"effect_{who}", f"marks of the {who} with an effect", "meant", "answering_marks", role)
        made, kept = book.of("commitments", role), book.of("honoured", role)
        says = f"commitments of the {who} never named again"
        sheet.ratio(f"silent_{who}", says, talk, made - kept, made, unit="share of commitments", bounds=(-1.0, 1.0))
        for name in ("commitments", "marks"):
            count = 100 * book.of(name, role)
            sheet.ratio(f"{name}_{who}", f"{name} of the {who}", talk, count, sizes, unit="per 100 turns")
    sides = {"real": slice(0, len(real)), "synthetic": slice(len(real), None)}
    index = {side: _pseudo_event(book, rows) for side, rows in sides.items()}
    return sheet.measured(rng, permutations, {"pseudo_event": index})


def _pseudo_event(book: Ledger, rows: slice) -> float | None:
    """`1 - min / max` of what each role takes up from the other; None where neither does beyond chance."""
    levels = []
    for role in (0, 1):
        top, size = (x[rows] for x in book.beyond("taken", "new", role))
        levels.append(float(np.nansum(top) / max(np.nansum(size), 1.0)))
    high = max(levels)
    return None if high <= 0 else 1.0 - max(min(levels), 0.0) / high
