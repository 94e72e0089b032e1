"""Is it written in the form that people write in: how long, in lists, marked up, one value at a time?"""

from __future__ import annotations

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet
from understudy.measures.relational.marks import ASKS
from understudy.measures.relational.threads import laid_out

LISTS = r"(?m)^\s*(?:[-*•·]|\d{1,2}[.)、])\s*\S"
MARKUP = r"\*\*\S|__\S|^\s*#{1,6}\s|```|\]\(https?:|(?m)^\s*\|.*\|\s*$"
LINES = r"\S\s*\n\s*\S"
PARTS = r"[,;，；、\n]|\b(?:and|or)\b|[和或]"
ROLES = (("", True, "user"), ("partner_", False, "partner"))
SPEC = MeasureSpec(
    name="relational.format",
    question="real",
    asks="Do users write turns of the length and form that people write?",
    unit="log words a turn, synthetic minus real; 0 = as people",
    range=(None, None),
    better="match",
    source="format and length as cues, doi:10.1177/0093650214534962",
)


@measure(SPEC)
def format_gap(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Do users write turns of the length and form that people write?

    Level: mean of log(1 + words) over user turns (characters of unspaced scripts count as words); value: synthetic
    minus real, so that .69 is twice as long. Parts, shares of turns: `lists` (a line opens as a list item),
    `markup` (emphasis, headings, code, links, tables), `lines` (more than one line), `one_value` (of replies to the
    partner's questions, those that are not divided by a comma, a line or an and: people give one value at a time);
    and `partner_length`, `partner_lists`, `partner_markup`, `partner_lines` for the other side, of which users'
    trust may take notice whatever is said.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(reply):
    ...     turns = (Turn("assistant", "What would you like?"), Turn("user", reply))
    ...     return Corpus([Conversation(str(i), turns) for i in range(20)])
    >>> m = format_gap(side("the cheap one"), side("cheap, central and with parking"), rng=np.random.default_rng(0),
    ...                permutations=99)
    >>> round(m.value, 2), {p.name.rsplit(".")[-1]: p.value for p in m.parts}["one_value"], m.p_value
    (0.41, -1.0, 0.01)

    Source: cues of interactivity and form, doi:10.1177/0093650214534962; the operationalisation is this project's.
    """
    import polars as pl

    before = pl.col("conversation") == pl.col("conversation").shift(1)
    other = pl.col("is_user") != pl.col("is_user").shift(1)
    text = pl.col("text").str.strip_chars()
    frame = laid_out(real, synthetic).with_columns(
        asked=(before & other & pl.col("text").shift(1).str.contains(ASKS)).fill_null(False),
        lists=text.str.contains(LISTS),
        markup=text.str.contains(MARKUP),
        lines=text.str.contains(LINES),
        one_value=~text.str.strip_chars(" .!?。！？\n").str.contains(PARTS),
    )
    said = frame.filter(pl.col("words") > 0)
    if not said.height:
        return unscored(SPEC, real, synthetic, "no turn has words")
    talk, user, words = (said[name].to_numpy() for name in ("conversation", "is_user", "words"))
    sheet = Sheet(SPEC, real, synthetic)
    for prefix, who, role in ROLES:
        mine = user == who
        long = np.log1p(words[mine].astype(np.float64))
        name = "partner_length" if prefix else ""
        sheet.ratio(name, f"log words of the {role}'s turns", talk[mine], long, unit="log words a turn")
        for kind in ("lists", "markup", "lines"):
            shown = said[kind].to_numpy()[mine].astype(np.float64)
            says = f"the {role}'s turns with {'several lines' if kind == 'lines' else kind}"
            sheet.ratio(f"{prefix}{kind}", says, talk[mine], shown, unit="share of turns", bounds=(-1.0, 1.0))
    answers = user & said["asked"].to_numpy()
    single = said["one_value"].to_numpy()[answers].astype(np.float64)
    says = "the user's replies to questions that give one value"
    sheet.ratio("one_value", says, talk[answers], single, unit="share of replies", bounds=(-1.0, 1.0))
    return sheet.measured(rng, permutations, {})
