"""The records of a raters' panel: what each rater was shown and answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

SCHEMA = "understudy.panel/1"
Side = Literal["a", "b"]
# One catch trial in so many may be missed by a rater whose answers count: of three none, of five one.
MISSABLE = 5


class RatingItem(NamedTuple):
    """A statement about the user of a conversation, to agree or disagree with."""

    key: str
    text: str


RATING_ITEMS: tuple[RatingItem, ...] = (
    RatingItem("natural", "The user writes the way real people write."),
    RatingItem("responsive", "What the user says fits what was said just before."),
    RatingItem("consistent", "The user stays one and the same person from start to end."),
    RatingItem("purposeful", "The user wants something, and it shows."),
)
RATING_POINTS = 5
RATING_LABELS = ("Disagree strongly", "Disagree", "Neither", "Agree", "Agree strongly")


class Judgement(msgspec.Struct, frozen=True, omit_defaults=True):
    """One pair: on which side the real user stood, and which side was taken for it. `unit`: who that user is, so that
    pairs of one user count as one.

    In a catch trial the other side is a scrambled conversation, and whoever reads it knows.
    """

    position: int
    pair: str
    catch: bool
    real_side: Side
    answer: Side
    real: str = ""
    synthetic: str = ""
    seconds: float | None = None
    unit: str = ""

    @property
    def right(self) -> bool:
        """Whether the real user was found."""
        return self.answer == self.real_side


class Rating(msgspec.Struct, frozen=True, omit_defaults=True):
    """One statement about one conversation, of the user `unit`; `points` is None where it was left out."""

    position: int
    dialogue: str
    origin: Literal["real", "synthetic"]
    item: str
    points: int | None
    seconds: float | None = None
    unit: str = ""


class QuestionnaireLine(msgspec.Struct, frozen=True):
    """One line of the partner questionnaire as it was shown; `point` counts from the left, None where left out."""

    position: int
    key: str
    point: int | None


class Questionnaire(msgspec.Struct, frozen=True, omit_defaults=True):
    """The partner questionnaire of one rater: lines in the order shown; `mirrored`: every left pole stood right."""

    mirrored: bool
    lines: tuple[QuestionnaireLine, ...]
    seconds: float | None = None


class ChatTurn(msgspec.Struct, frozen=True):
    """What the rater (`user`) or the partner (`assistant`) said."""

    role: Literal["user", "assistant"]
    text: str


class Rater(msgspec.Struct, frozen=True, omit_defaults=True):
    """One person's answers. `id` is a number within the panel and leads to nobody."""

    id: str
    finished: bool
    judgements: tuple[Judgement, ...] = ()
    ratings: tuple[Rating, ...] = ()
    questionnaire: Questionnaire | None = None
    chat: tuple[ChatTurn, ...] = ()

    @property
    def caught(self) -> tuple[int, int]:
        """Catch trials answered rightly, and answered at all."""
        checks = [j.right for j in self.judgements if j.catch]
        return sum(checks), len(checks)

    @property
    def attentive(self) -> bool:
        """Whether the catch trials were answered rightly, but for one in five of them.

        Whoever guesses gets three right one time in eight.
        """
        right, of = self.caught
        return of - right <= of // MISSABLE


class PanelRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A panel's whole export. Who withdrew is counted, and nothing of theirs is kept.

    `settings` says what was shown: seed, corpora with their digests, how pairs were matched, the partner.
    """

    schema: Literal["understudy.panel/1"] = "understudy.panel/1"
    settings: Mapping[str, Any] = msgspec.field(default_factory=dict)
    withdrawn: int = 0
    raters: tuple[Rater, ...] = ()
