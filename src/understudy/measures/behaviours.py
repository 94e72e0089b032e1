"""What each user turn does, read from its text: one row a turn, every behaviour a column.

Columns come from regular expressions and fixed word lists, so a turn's value depends on that turn (and the turns
before it) alone: relabelling conversations changes nothing. A behaviour whose list or script a corpus lacks is a
column of nulls, never of zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from understudy.conversations import Corpus
from understudy.conversations.text import TOKEN_PATTERN
from understudy.measures import behaviour_lexicons as lexicons
from understudy.measures.turn_words import turn_words

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["flag", "count", "size", "share"]
Scope = Literal["any", "script", "case", "list"]

SHORT = 3
_SAMPLE = 4000
_FINAL = r"[.!?…。！？｡؟।॥~～][\"'”’)\]）」』»\s]*$"
_ASKS = r"[?？؟;]\W*$"
_EMOTICON = (
    r"[\x{1F000}-\x{1FAFF}\x{2600}-\x{27BF}]|(?:^|\s)(?:[:;=][-'o^]?[)(DPpOo/\\|3*]+|[)(][-']?[:;=]|<3+|\^_*\^|[oO]_[oO]|[xX]D+)"
    r"(?:$|[\s.,!?])"
)
# A run of three of the same letter or mark; Rust expressions have no back-references.
_REPEATED = "|".join(f"{c}{{3,}}" for c in "abcdefghijklmnopqrstuvwxyz") + r"|[!！?？]{2,}|~{2,}|～{2,}|哈{3,}|啊{2,}"


class Behaviour(NamedTuple):
    """A column: `flag` (0/1 a turn), `count` (occurrences), `size` (a length), `share` (0 to 1).

    `scope` says where two corpora can be compared on it: `any` language; the same `script` (a word is a character
    where no spaces are written); scripts with `case`; languages with a word `list`.
    """

    name: str
    kind: Kind
    scope: Scope
    says: str


BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour("n_words", "size", "script", "words in the turn"),
    Behaviour("n_chars", "size", "script", "characters in the turn"),
    Behaviour("short", "flag", "script", "at most three words"),
    Behaviour("fragment", "flag", "list", "no verb form that the list knows (elsewhere: short and no final mark)"),
    Behaviour("no_final_mark", "flag", "any", "does not end in a sentence mark"),
    Behaviour("lower_case", "flag", "case", "letters, none of them a capital"),
    Behaviour("capital_start", "flag", "case", "opens with a capital"),
    Behaviour("question", "flag", "any", "has a question mark"),
    Behaviour("unmarked_question", "flag", "list", "question form without a question mark"),
    Behaviour("exclamation", "flag", "any", "has an exclamation mark"),
    Behaviour("ellipsis", "flag", "any", "has an ellipsis"),
    Behaviour("repeated_characters", "flag", "any", "a letter three times or a mark twice in a row"),
    Behaviour("emoji", "flag", "any", "emoji or emoticon"),
    Behaviour("digits", "flag", "any", "has a digit"),
    Behaviour("several_sentences", "flag", "any", "a sentence mark inside the turn"),
    Behaviour("line_break", "flag", "any", "more than one line"),
    Behaviour("repeats_itself", "flag", "any", "the same words as an earlier turn of this user"),
    Behaviour("echo", "share", "script", "share of the partner's content words said back"),
    Behaviour("borrowed", "share", "script", "share of the turn's content words that the partner just used"),
    Behaviour("hedges", "count", "list", "maybe, I think, not sure ..."),
    Behaviour("boosters", "count", "list", "very, really, definitely ..."),
    Behaviour("fillers", "count", "list", "um, hmm, well, lol ..."),
    Behaviour("positive", "count", "list", "words of liking"),
    Behaviour("negative", "count", "list", "words of dislike or trouble"),
    Behaviour("shorthand", "flag", "list", "abbreviations, missing apostrophes, common misspellings"),
    Behaviour("contractions", "flag", "list", "I'm, don't ..."),
    Behaviour("thanks", "flag", "list", "thanks"),
    Behaviour("polite", "flag", "list", "please, could you ..."),
    Behaviour("apology", "flag", "list", "sorry ..."),
    Behaviour("greeting", "flag", "list", "opens with a greeting"),
    Behaviour("closing", "flag", "list", "goodbye, that's all ..."),
    Behaviour("request", "flag", "list", "asks for something to be done"),
    Behaviour("explicit_preference", "flag", "list", "I like, I want, I'm looking for ..."),
    Behaviour("indirect_preference", "flag", "list", "by example, occasion, company or exclusion"),
    Behaviour("self_correction", "flag", "list", "takes back or changes: I meant, scratch that, ... instead"),
    Behaviour("rejection", "flag", "list", "a negation"),
    Behaviour("acknowledgement", "flag", "list", "nothing but ok, yes, great ..."),
    Behaviour("no_preference", "flag", "list", "whatever, up to you ..."),
    Behaviour("assistant_voice", "flag", "list", "speaks as the assistant would"),
    Behaviour(
        "ignores_question", "flag", "list", "asked, and neither an answer form nor a shared content word (proxy)"
    ),
)
_COUNTED = ("hedges", "boosters", "fillers", "positive", "negative")
_FLAGGED = (
    "shorthand", "contractions", "thanks", "polite", "apology", "greeting", "closing", "request",
    "explicit_preference", "indirect_preference", "self_correction", "rejection", "acknowledgement",
    "no_preference", "assistant_voice",
)  # fmt: skip
PARTNER_ACTS = ("opening", "own turn", "trouble", "question", "closing", "greeting", "statement")


class Writing(NamedTuple):
    """How a corpus's users write: `language` names the word lists that apply ("" where none does)."""

    language: str
    cased: bool
    spaced: bool

    @property
    def name(self) -> str:
        return {"en": "English", "zh": "Chinese"}.get(self.language, "a language without word lists")


def writing(corpus: Corpus) -> Writing:
    """Script and language of the user turns, from the shares of letters and of English function words.

    Chinese: half of the letters are Han, fewer than 5 % kana. English: nine tenths are Latin and at least 8 % of
    the words are function words that English shares with no neighbour. Of at most 4,000 turns, evenly spaced.

    >>> from understudy.conversations import Conversation, Turn
    >>> writing(Corpus([Conversation("a", (Turn("user", "What is the cheapest film that you have?"),))])).name
    'English'
    >>> writing(Corpus([Conversation("a", (Turn("user", "Ich hätte gern den billigsten Film"),))])).name
    'a language without word lists'
    """
    return corpus.memo("behaviours.writing", _writing)


def _writing(corpus: Corpus) -> Writing:
    import polars as pl

    text = corpus.turns.filter(pl.col("is_user"))["text"]
    text = text.gather_every(max(1, len(text) // _SAMPLE)).str.to_lowercase().str.replace_all("’", "'")

    def total(expression: str) -> int:
        return int(text.str.count_matches(expression).sum() or 0)

    letters = max(1, total(r"\p{L}"))
    latin, han, kana = (total(each) / letters for each in (r"\p{Latin}", r"\p{Han}", r"[\p{Hiragana}\p{Katakana}]"))
    cased = total(r"[\p{Ll}\p{Lu}]") / letters
    unspaced = han + kana + total(r"\p{Thai}") / letters
    marks = total(rf"(?:^|\b)(?:{'|'.join(lexicons.ENGLISH_MARKS.split())})\b") / max(1, total(TOKEN_PATTERN))
    language = "zh" if han >= 0.5 and kana < 0.05 else "en" if latin >= 0.9 and marks >= 0.08 else ""
    return Writing(language, cased >= 0.5, unspaced < 0.5)


def user_turn_behaviours(corpus: Corpus) -> pl.DataFrame:
    """What does each user turn do? One row a user turn, in order.

    `conversation` (u32), `position` (u16, among all turns), then a column for each of `BEHAVIOURS`: flags are
    boolean, counts and sizes integers, shares in [0, 1]. Null where a behaviour cannot be read: no word list for
    the language (`writing`), no case in the script, no partner turn directly before (`echo`, `borrowed`), or no
    question before (`ignores_question`). Lists count words, so they over- and under-read single turns: compare
    rates. Computed once a corpus. The lists are
    this project's own; for the families of markers see Hyland (2005), doi:10.1177/1461445605050365.

    >>> from understudy.conversations import Conversation, Turn
    >>> turns = (Turn("assistant", "Which genre?"), Turn("user", "hmm maybe a scary genre, I think"))
    >>> talk = Conversation("a", turns)
    >>> frame = user_turn_behaviours(Corpus([talk]))
    >>> frame.select("n_words", "hedges", "fillers", "no_final_mark", "echo").rows()
    [(7, 2, 1, True, 1.0)]
    """
    return corpus.memo("behaviours.user_turns", _behaviours)


def _behaviours(corpus: Corpus) -> pl.DataFrame:
    import polars as pl

    kind = writing(corpus)
    frame = user_turns(corpus)
    columns = {**_form(kind), **_lists(kind)}
    frame = frame.lazy().with_columns(**columns).collect()
    frame = _overlap(frame, turn_words(corpus))
    frame = frame.with_columns(ignores_question=_ignores(kind), repeats_itself=_repeats())
    return frame.select("conversation", "position", *(b.name for b in BEHAVIOURS)).with_columns(
        pl.col(pl.Float32).cast(pl.Float64)
    )


def user_turns(corpus: Corpus) -> pl.DataFrame:
    """User turns with `low` (lower-cased, contractions rejoined), the turn before (`partner`, null where it is not
    a partner's) and its row among all turns (`partner_row`).
    """

    def build(source: Corpus) -> pl.DataFrame:
        import polars as pl

        same = pl.col("conversation") == pl.col("conversation").shift(1)
        before = same.fill_null(False) & ~pl.col("is_user").shift(1)
        frame = source.turns.select("conversation", "position", "is_user", "text").with_row_index("row")
        frame = frame.with_columns(
            partner=pl.when(before).then(pl.col("text").shift(1)),
            partner_row=pl.when(before).then(pl.col("row").shift(1)),
        ).filter(pl.col("is_user"))
        return frame.with_columns(low=_plain("text"))

    return corpus.memo("behaviours.frame", build)


def _plain(column: str) -> pl.Expr:
    import polars as pl

    low = pl.col(column).str.to_lowercase().str.replace_all("[’`´]", "'")
    return low.str.replace_all(r"\s+(n't|'(?:s|m|re|ve|ll|d))\b", "$1")


def _form(kind: Writing) -> dict[str, pl.Expr]:
    """Lengths, marks and case: no word list needed."""
    import polars as pl

    text, low = pl.col("text"), pl.col("low")
    words = low.str.count_matches(TOKEN_PATTERN)
    unfinished = ~text.str.contains(_FINAL)

    def cased(expression: pl.Expr) -> pl.Expr:
        return expression if kind.cased else pl.lit(None, dtype=pl.Boolean)

    return {
        "n_words": words,
        "n_chars": text.str.len_chars(),
        "short": words <= SHORT,
        "no_final_mark": unfinished,
        "lower_case": cased(text.str.contains(r"\p{Ll}") & ~text.str.contains(r"\p{Lu}")),
        "capital_start": cased(text.str.contains(r"^\P{L}*\p{Lu}")),
        "question": text.str.contains("[?？؟]"),
        "exclamation": text.str.contains("[!！]"),
        "ellipsis": text.str.contains(r"\.\.+|…|。。+"),
        "repeated_characters": low.str.contains(_REPEATED),
        "emoji": text.str.contains(_EMOTICON),
        "digits": text.str.contains(r"\p{Nd}"),
        "several_sentences": text.str.contains(r"[.!?…]\s+\S*\p{L}|[。！？]\s*[\p{L}\p{N}]"),
        "line_break": text.str.contains(r"\S\s*\n\s*\S"),
    }


def _lists(kind: Writing) -> dict[str, pl.Expr]:
    """Word lists of the corpus's language; nulls where it has none."""
    import polars as pl

    low = pl.col("low")

    def has(name: str) -> pl.Expr:
        body = lexicons.pattern(kind.language, name)
        if body is None:
            return pl.lit(None, dtype=pl.Boolean)
        return _count(name) > 0 if lexicons.exceptions(kind.language, name) else low.str.contains(body)

    def _count(name: str) -> pl.Expr:
        body, off = lexicons.pattern(kind.language, name), lexicons.exceptions(kind.language, name)
        if body is None:
            return pl.lit(None, dtype=pl.Int64)
        found = low.str.count_matches(body).cast(pl.Int64)
        return found if off is None else (found - low.str.count_matches(off).cast(pl.Int64)).clip(lower_bound=0)

    listed = {name: _count(name) for name in _COUNTED} | {name: has(name) for name in _FLAGGED}
    listed["unmarked_question"] = has("question_form") & ~pl.col("text").str.contains("[?？؟]")
    short = (low.str.count_matches(TOKEN_PATTERN) <= SHORT) & ~pl.col("text").str.contains(_FINAL)
    verb = lexicons.pattern(kind.language, "verb")
    listed["fragment"] = short if verb is None else ~low.str.contains(verb)
    listed["answer_form"] = has("answer_form")
    return listed


def _overlap(frame: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """`echo` and `borrowed`: shared content words over the partner's, over the turn's own."""
    import polars as pl

    sizes = words.group_by("row").agg(size=pl.len())
    answered = frame.filter(pl.col("partner_row").is_not_null()).select("row", "partner_row")
    said = words.join(answered, on="row").rename({"partner_row": "asked"})
    shared = said.join(words.rename({"row": "asked"}), on=["asked", "word"]).group_by("row").agg(shared=pl.len())
    frame = (
        frame.join(shared, on="row", how="left")
        .join(sizes.rename({"size": "own_size"}), on="row", how="left")
        .join(sizes.rename({"row": "partner_row", "size": "partner_size"}), on="partner_row", how="left")
        .sort("row")
    )
    hits = pl.col("shared").fill_null(0).cast(pl.Float64)
    replied = pl.col("partner_row").is_not_null()
    return frame.with_columns(
        echo=pl.when(replied & pl.col("partner_size").is_not_null()).then(hits / pl.col("partner_size")),
        borrowed=pl.when(replied).then(hits / pl.col("own_size").fill_null(1)),
    )


def _ignores(kind: Writing) -> pl.Expr:
    import polars as pl

    if not kind.language:
        return pl.lit(None, dtype=pl.Boolean)
    asked = pl.col("partner").str.contains(_ASKS)
    answered = pl.col("answer_form") | pl.col("digits") | pl.col("short") | (pl.col("borrowed") > 0)
    return pl.when(asked).then(~answered)


def _repeats() -> pl.Expr:
    import polars as pl

    seen = pl.int_range(pl.len()).over("conversation", pl.col("low").str.replace_all(r"\W+", ""))
    return seen > 0


def partner_turn_acts(corpus: Corpus) -> pl.DataFrame:
    """What did the partner do just before each user turn? One row a user turn: `conversation`, `position`, `act`.

    `act` indexes `PARTNER_ACTS`: 0 opening (the user speaks first), 1 own turn (the user spoke last), 2 trouble
    (an apology or a failure), 3 question (ends in a question mark), 4 closing, 5 greeting, 6 statement; the
    first that applies. Trouble, closing and greeting need a word list: elsewhere there are only questions and
    statements.

    >>> from understudy.conversations import Conversation, Turn
    >>> turns = (Turn("user", "hi"), Turn("assistant", "Hello, what is it?"), Turn("user", "a film"))
    >>> talk = Conversation("a", turns)
    >>> [PARTNER_ACTS[i] for i in partner_turn_acts(Corpus([talk]))["act"]]
    ['opening', 'question']
    """
    return corpus.memo("behaviours.partner_acts", _partner_acts)


def _partner_acts(corpus: Corpus) -> pl.DataFrame:
    import polars as pl

    frame = user_turns(corpus).select("conversation", "position", "partner")
    # Partners of no known language still ask; what language they write in, the users' own decides.
    language = writing(corpus).language
    frame = frame.with_columns(low=_plain("partner"))
    act = pl.when(pl.col("position") == 0).then(0).when(pl.col("partner").is_null()).then(1)
    for name in PARTNER_ACTS[2:-1]:
        body = _ASKS if name == "question" else lexicons.partner_pattern(language, name)
        if body is not None:
            act = act.when(pl.col("low").str.contains(body)).then(PARTNER_ACTS.index(name))
    return frame.select("conversation", "position", act=act.otherwise(len(PARTNER_ACTS) - 1).cast(pl.UInt8))


def conversation_behaviours(corpus: Corpus) -> pl.DataFrame:
    """What does each user do over a conversation? One row a conversation with a user turn.

    `conversation`; `user_turns`; `front_loading`, the share of all its words in its first turn (two turns or
    more); `length_decay`, mean log(1 + words) of the later half of its turns minus the earlier (four or more);
    `reveal_area`, the mean over turns of the share of all its distinct entities named so far, 1 where everything
    comes first (conversations with `meta["entities"]`, two turns or more); `leaves_unsaid`, the last user turn
    neither thanks nor closes (null without a word list, or where a limit or fault ended it).

    >>> from understudy.conversations import Conversation, Turn
    >>> talk = Conversation("a", (Turn("user", "the cheap one for me please"), Turn("user", "you there"),))
    >>> conversation_behaviours(Corpus([talk])).select("front_loading", "leaves_unsaid").rows()
    [(0.75, True)]
    """
    return corpus.memo("behaviours.conversations", _conversation_behaviours)


def _conversation_behaviours(corpus: Corpus) -> pl.DataFrame:
    import polars as pl

    cut = [i for i, c in enumerate(corpus) if c.ending is not None and c.ending.by in ("limit", "fault")]
    words, turns = pl.col("n_words").cast(pl.Float64), pl.len()
    turn = pl.int_range(pl.len())
    log = words.log1p()
    frame = user_turn_behaviours(corpus).group_by("conversation", maintain_order=True)
    return (
        frame.agg(
            user_turns=turns,
            front_loading=pl.when((turns >= 2) & (words.sum() > 0)).then(words.first() / words.sum()),
            length_decay=pl.when(turns >= 4).then(
                log.filter(turn >= (turns + 1) // 2).mean() - log.filter(turn < turns // 2).mean()
            ),
            leaves_unsaid=~(pl.col("thanks") | pl.col("closing")).last(),
        )
        .with_columns(
            leaves_unsaid=pl.when(~pl.col("conversation").is_in(pl.Series(cut, dtype=pl.UInt32).implode())).then(
                pl.col("leaves_unsaid")
            )
        )
        .join(_reveal_areas(corpus), on="conversation", how="left", maintain_order="left")
    )


def _reveal_areas(corpus: Corpus) -> pl.DataFrame:
    """Needs the entities beside the text, which no frame holds: the one loop over conversations."""
    import polars as pl

    rows: list[int] = []
    areas: list[float] = []
    for index, conversation in enumerate(corpus):
        named: set[str] = set()
        curve = []
        for turn in conversation.turns:
            if turn.role == "user":
                named.update(str(entity) for entity in turn.meta.get("entities") or ())
                curve.append(len(named))
        if named and len(curve) >= 2:
            rows.append(index)
            areas.append(sum(curve) / (len(curve) * len(named)))
    return pl.DataFrame(
        {"conversation": rows, "reveal_area": areas}, {"conversation": pl.UInt32, "reveal_area": pl.Float64}
    )
