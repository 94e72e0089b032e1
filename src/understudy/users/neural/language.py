"""How a conversation and a profile are written for the decoder, and read back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Turn
from understudy.users.neural.decoder import HEARD, PAD, PROFILE, SAID, Scene
from understudy.users.neural.subwords import UNKNOWN, Subwords, learn_pieces
from understudy.users.profile import Profile

USER, PARTNER, END, BYE = "<user>", "<partner>", "<end>", "<bye>"
FACT, GOAL, KNOWS, STYLE = "<fact>", "<goal>", "<knows>", "<style>"
PADDING = "<padding>"
_MARKS = (PADDING, UNKNOWN, USER, PARTNER, END, BYE, FACT, GOAL, KNOWS, STYLE)
_LEVELS = 5  # of a style feature
Floats = npt.NDArray[np.float64]
MOST_TOLD = 128
MOST_SAID = 64
MOST_TURN = 40
MOST_AT = 15
MOST_LETTERS = 600  # of a turn that are read at all


class Line(NamedTuple):
    """One turn of a user as numbers: what stood before them, and what they chose, up to and with the end."""

    scene: Scene
    chosen: list[int]


class Language:
    """Numbers for text, marks, intents and levels of style."""

    def __init__(
        self, words: Subwords, intents: Sequence[str], style_edges: dict[str, list[float]], sayable: Sequence[int]
    ) -> None:
        self.words, self.intents, self.style_edges = words, list(intents), style_edges
        self.sayable = list(sayable)
        self.user, self.partner, self.end, self.bye = (words.mark(m) for m in (USER, PARTNER, END, BYE))
        self.intent_numbers = {name: words.mark(f"<intent {k}>") for k, name in enumerate(intents)}
        self._intent_names = {number: name for name, number in self.intent_numbers.items()}
        self._first_piece = len(words.pieces.marks)
        self._inside = [words.text(n)[:1].isalnum() for n in range(len(words))]
        whole = set(self.sayable)
        self._unfinished = [n >= self._first_piece and n not in whole for n in range(len(words))]
        kinds = itertools.product(("intent", "text", "end"), (False, True), (False, True))
        self._masks = {given: self._mask(*given) for given in kinds}

    def told(self, profile: Profile) -> list[int]:
        """A profile as numbers; a lone `<fact>` where nothing is known of the user."""
        mark, encode = self.words.mark, self.words.encode
        parts = [[mark(FACT), *encode(fact)] for fact in profile.persona.facts]
        goal = profile.goal
        wanted = [goal.topic or "", *(surface for _, surface in goal.entities), goal.text]
        parts += [[mark(GOAL), *encode(text)] for text in wanted if text.strip()]
        parts += [[mark(KNOWS), *encode(text)] for text in profile.knowledge]
        for name, value in sorted(profile.persona.style.items()):
            if name in self.style_edges:
                level = sum(value > edge for edge in self.style_edges[name])
                parts.append([mark(STYLE), mark(f"<{name} {level}>")])
        numbers = [number for part in parts for number in part]
        return numbers[:MOST_TOLD] or [mark(FACT)]

    def scene(self, told: Sequence[int], history: Sequence[Turn]) -> Scene:
        """What a user has before them: who they are, how far it is, the partner's last turn, their own latest ones."""
        own: list[int] = []
        mine = [turn.text for turn in history if turn.role == "user"]
        for text in reversed(mine):
            own = [self.user, *self._pieces(text), *own]
            if len(own) > MOST_SAID:
                break
        heard = next((turn.text for turn in reversed(history) if turn.role == "assistant"), None)
        partner = [] if heard is None else [self.partner, *self._pieces(heard)]
        first = [self.words.mark(f"<at {min(len(mine), MOST_AT)}>"), *told]
        parts = ((PROFILE, first), (HEARD, partner), (SAID, own[:MOST_SAID]))
        return Scene([n for _, part in parts for n in part], [kind for kind, part in parts for _ in part])

    def _pieces(self, text: str) -> list[int]:
        return self.words.encode(text[:MOST_LETTERS])[:MOST_TURN]

    def lines(self, profile: Profile, turns: Sequence[Turn]) -> list[Line]:
        """The user's turns of a finished conversation; where the partner has the last word, the user then left."""
        told, found, last = self.told(profile), list[Line](), len(turns) - 1
        for k, turn in enumerate(turns):
            if turn.role == "user":
                chosen = self.chosen(turn.text, turn.intent, leaves=k == last)
                found.append(Line(self.scene(told, turns[:k]), chosen))
        if turns and turns[-1].role == "assistant":
            found.append(Line(self.scene(told, turns), [self.bye]))
        return found

    def chosen(self, text: str, intent: str | None, *, leaves: bool = False) -> list[int]:
        """A turn as the numbers by which a user says it."""
        planned = [self.intent_numbers[intent]] if intent in self.intent_numbers else []
        return [*planned, *self._pieces(text), self.bye if leaves else self.end]

    def heard(self, numbers: Sequence[int]) -> tuple[str, str | None, bool]:
        """What the user's numbers say: text, intent, and whether they leave."""
        intent = next((self._intent_names[n] for n in numbers[:1] if n in self._intent_names), None)
        return self.words.decode(numbers).strip(), intent, bool(numbers) and numbers[-1] == self.bye

    def is_text(self, number: int) -> bool:
        """Whether a number is a piece of text."""
        return number >= self._first_piece

    def allowed(self, scene: Scene, said: Sequence[int], *, may_leave: bool) -> Floats:
        """What may be chosen after the numbers `said` of a turn: 0, else minus infinity.

        First an intent, or to leave; then text; the end of the turn only after some, and nothing else when it is long.
        Text is whole words of the corpus, and what is taken from the scene piece by piece: no word is made up.
        """
        pieces = sum(map(self.is_text, said))
        kind = "intent" if not said and self.intent_numbers else "end" if pieces >= MOST_TURN else "text"
        mask = self._masks[kind, pieces > 0, may_leave]
        if kind != "text" or not self.sayable:
            return mask
        last = said[-1] if said else PAD
        there = [n for n, b in zip(scene.numbers, scene.belongs, strict=True) if b in (PROFILE, HEARD)]
        goes_on = [b for a, b in itertools.pairwise(there) if a == last and self._inside[b]]
        if goes_on and self._unfinished[last]:
            mask = np.full(len(mask), -np.inf)
            mask[goes_on] = 0.0
            return mask
        mask = mask.copy()
        mask[[n for n in there if self.is_text(n) and not self._inside[n]] + goes_on] = 0.0
        return mask

    def _mask(self, kind: str, something: bool, may_leave: bool) -> Floats:
        mask = np.full(len(self.words), -np.inf)
        if kind == "intent":
            mask[list(self.intent_numbers.values())] = 0.0
        if kind == "text":
            mask[self.sayable or slice(self._first_piece, None)] = 0.0
        if something:
            mask[self.end] = 0.0
        if may_leave:
            mask[self.bye] = 0.0
        return mask


def learn_language(
    texts: Iterable[str], intents: Sequence[str], style_edges: dict[str, list[float]], *, most: int
) -> Language:
    """The language of a corpus, with at most `most` numbers but for its marks and characters."""
    texts = list(texts)
    marks = [*_MARKS, *(f"<intent {k}>" for k in range(len(intents)))]
    marks += [f"<at {k}>" for k in range(MOST_AT + 1)]
    marks += [f"<{name} {level}>" for name in sorted(style_edges) for level in range(_LEVELS)]
    words = Subwords(learn_pieces(texts, marks=marks, most=most))
    return Language(words, intents, style_edges, words.whole(texts))
