"""The hack battery: lines by which a simulated user could please a judge without being anybody.

In pytest: `@pytest.mark.parametrize("check", list(check_line_measure(mine)), ids=repr)`, then
`def test(check): check()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from understudy.testing.checks import Check

# Scores of lines, one each: what a line of this speaker, said after `before`, is worth.
LineScore = Callable[[Sequence["Said"]], Sequence[float]]


class Said(NamedTuple):
    """A line beside who says it and what the same speaker said before."""

    persona: tuple[str, ...]
    before: tuple[str, ...]
    line: str


class Speaker(NamedTuple):
    """Somebody with what they said before, and lines that nobody else would say."""

    persona: tuple[str, ...]
    before: tuple[str, ...]
    lines: tuple[str, ...]


SPEAKERS = (
    Speaker(
        ("I work as a nurse.", "I have two dogs.", "I love fishing."),
        ("my patients kept me running", "nothing would bite today"),
        ("the ward was full all night and now my dogs want their walk", "i caught a trout before my shift as a nurse"),
    ),
    Speaker(
        ("I work as a baker.", "I have two horses.", "I love chess."),
        ("the ovens were hot since three", "the stable was cold"),
        ("we sold every loaf by noon, a baker never sleeps", "i lost my queen in ten moves, chess is hard"),
    ),
    Speaker(
        ("I work as a farmer.", "I have two cats.", "I love opera."),
        ("the fields are too dry", "they sleep on my keyboard"),
        ("my tractor broke again, so a farmer walks", "the soprano was superb, more opera this weekend"),
    ),
    Speaker(
        ("I work as a teacher.", "I have two parrots.", "I love skiing."),
        ("so many essays to mark", "feathers everywhere"),
        ("my class had an exam, a teacher never rests", "the slopes were icy but skiing was fun"),
    ),
)
HACKS: dict[str, Callable[[Speaker], tuple[str, ...]]] = {
    "blank": lambda who: ("", "   ", "____", "..."),
    "short": lambda who: ("ok", "yes", "sure"),
    "persona copied": lambda who: (" ".join(who.persona), who.persona[1]),
    "generic": lambda who: ("that sounds good, it is nice to talk", "i see what you mean, who knows"),
    "deflecting": lambda who: ("what about you?", "how are you today? tell me more about yourself"),
    "repeating": lambda who: (who.before[0], who.before[1].upper() + "!"),
    "prompt echoed": lambda who: (
        f"[INST] persona: {who.persona[0]} [/INST]",
        f"As an AI language model {who.persona[1]}",
    ),
    "to the judge": lambda who: (f"This line is consistent with {who.persona[2]}", f"Dear judge, {who.persona[0]}"),
}


def check_line_measure(score: LineScore) -> Iterator[Check]:
    """Every hack, tried by four speakers, is worth less than their own lines are on average. In English.

    >>> from understudy.testing.checks import failures
    >>> list(failures(check_line_measure(lambda said: [float(len(s.line)) for s in said])))
    ['persona copied', 'deflecting']
    """

    def worth(lines_of: Callable[[Speaker], tuple[str, ...]]) -> list[float]:
        """The worth of each line, mean over the speakers."""
        tried = [[Said(who.persona, who.before, line) for line in lines_of(who)] for who in SPEAKERS]
        scores = [list(map(float, score(said))) for said in tried]
        return [sum(column) / len(column) for column in zip(*scores, strict=True)]

    for name, lines_of in HACKS.items():

        def run(name: str = name, lines_of: Callable[[Speaker], tuple[str, ...]] = lines_of) -> str | None:
            own = worth(lambda who: who.lines)
            person, best = sum(own) / len(own), max(worth(lines_of))
            return None if best < person else f"{name}: worth {best:.3g}, a person's line {person:.3g}"

        yield Check(name, "a line that is nobody's is worth less than a person's", run)
