"""Partners of a known kind, made from any partner: such as err, are warm, take up what is said, or do not listen."""

from __future__ import annotations

from collections.abc import Sequence

from understudy.conversations import Turn
from understudy.conversations.text import tokens
from understudy.rollouts.partner import Partner, PartnerSession, PartnerTurn
from understudy.seeds import stream
from understudy.users.partner_acts import FUNCTION

SHARE = 0.5  # of the partner's turns that an arm touches
ERRORS = ("Sorry, I cannot do that. {}", "Unfortunately that failed. {}", "I'm afraid I don't understand. {}")
ECHO = ("{1}, right. {0}", "So, {1}. {0}", "About {1}: {0}")
WARM = ("Happy to help! {}", "That must be hard, I understand. {}", "Lovely, a great choice! {}")


class Saying:
    """A partner whose turns are changed: by a format in a share of them, or at one turn. `{1}` is a word of the user's
    turn."""

    def __init__(self, inner: Partner, formats: Sequence[str], *, only: int | None = None) -> None:
        self.inner, self.formats, self.only = inner, formats, only
        self.identity = f"{inner.identity}+{formats[0]}@{only}"
        self.embedded = True

    def start(self, *, topic: str | None, seed: int) -> PartnerSession:
        return _Session(self, self.inner.start(topic=topic, seed=seed), seed)


class _Session:
    def __init__(self, of: Saying, inner: PartnerSession, seed: int) -> None:
        self._of, self._inner, self._seed = of, inner, seed

    async def reply(self, history: Sequence[Turn]) -> PartnerTurn:
        of, turn = self._of, sum(t.role == "assistant" for t in history)
        said = await self._inner.reply(history)
        rng = stream(self._seed, "saying", turn)
        touched = turn == of.only if of.only is not None else rng.random() < SHARE
        words = [w for w in tokens(history[-1].text) if w not in FUNCTION and len(w) > 2] if history else []
        form = of.formats[int(rng.integers(len(of.formats)))]
        text = form.format(said.text, max(words, key=len, default="that")) if touched else said.text
        return PartnerTurn(text, tuple(said.acts))


class Yoked:
    """A script for each user: what a partner said to somebody else, turn by turn.

    So it fails, is warm and repeats itself as often as that partner does at that turn, and it does not listen. One
    script for all would differ in all of that. Where the other conversation was over, the next one goes on.
    """

    embedded = True

    def __init__(self, identity: str, heard: Sequence[Sequence[str]]) -> None:
        self.identity, self.heard = f"{identity}+yoked", heard

    def start(self, *, topic: str | None, seed: int) -> PartnerSession:
        return _Script(self.heard, int(stream(seed, "script").integers(len(self.heard))))


class _Script:
    def __init__(self, heard: Sequence[Sequence[str]], first: int) -> None:
        self._heard, self._first = heard, first

    async def reply(self, history: Sequence[Turn]) -> PartnerTurn:
        turn = sum(t.role == "assistant" for t in history)
        order = [*self._heard[self._first :], *self._heard[: self._first]]
        return PartnerTurn(next((lines[turn] for lines in order if len(lines) > turn), order[0][-1]))
