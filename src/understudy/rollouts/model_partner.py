"""A language model as the system that the user talks to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

from understudy.conversations import Conversation, Turn
from understudy.conversations.lineage import Speaker
from understudy.models.model import LanguageModel, Message, Request, close_model
from understudy.rollouts.partner import PartnerTurn
from understudy.seeds import derive_seed

BEGIN = "(The conversation begins. You speak first.)"
MAX_TOKENS = 1024
_ANYTHING = "whatever the other person wants"


@cache
def default_prompt() -> str:
    """What the model is told where nobody says otherwise; `{topic}` in it is the topic of the conversation."""
    return resources.files("understudy.rollouts").joinpath("prompts", "partner.txt").read_text("utf-8")


def prompt_version(system: str | None = None) -> str:
    """A digest of what a model partner is told, for the provenance."""
    told = default_prompt() if system is None else system
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


class ModelPartner:
    """A partner behind which a language model speaks: it sees its instruction, the topic and the turns.

    `system` is the system under test's own instruction, used word for word, an empty one for none at all; without it
    the model is told to be a helpful assistant about the topic. Temperature and length are the model's own, where
    they are None. The model is the `assistant` of the chat and the user its `user`. A model's fault is recorded as
    the partner's or the environment's, by its kind. What a reply costs goes to the model's own policies.

    >>> import asyncio
    >>> from understudy.models.scripted import Scripted
    >>> partner = ModelPartner(Scripted(["At nine."]), system="You sell train tickets.")
    >>> asyncio.run(partner.start(topic=None, seed=1).reply((Turn("user", "When?"),))).text
    'At nine.'
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        system: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = MAX_TOKENS,
    ) -> None:
        self._model = model
        self._system = system
        self._temperature, self._max_tokens = temperature, max_tokens
        self.identity = f"assistant:{model.identity}:{prompt_version(system)}:{temperature},{max_tokens}"
        sampler = {"temperature": temperature, "max_tokens": max_tokens}
        self.hand = Speaker(model.identity, prompt_version(system), sampler)

    def start(self, *, topic: str | None, seed: int) -> ModelPartnerSession:
        """A session about `topic`."""
        told = default_prompt().replace("{topic}", topic or _ANYTHING) if self._system is None else self._system
        return ModelPartnerSession(self, told, seed)

    def request(self, system: str, history: Sequence[Turn], seed: int) -> Request:
        """What the model is asked after `history`."""
        view = Conversation("", tuple(history)).view_for("user")
        messages = [Message("system", system)] if system.strip() else []
        if not view or view[0].role == "assistant":  # Most chat templates want the user to begin.
            messages.append(Message("user", BEGIN))
        said = sum(turn.role == "assistant" for turn in history)
        return Request(
            (*messages, *(Message(turn.role, turn.text) for turn in view)),
            temperature=self._temperature,
            max_tokens=self._max_tokens,
            seed=derive_seed(seed, "partner", said) % 2**31,
            purpose="partner",
        )

    async def answer(self, request: Request) -> PartnerTurn:
        """The model's answer as a turn."""
        completion = await self._model.complete(request)
        return PartnerTurn(completion.text.strip(), meta={"model": completion.model})

    async def aclose(self) -> None:
        """Close the model."""
        await close_model(self._model)


class ModelPartnerSession:
    """The partner in one conversation. Keeps nothing between turns."""

    def __init__(self, partner: ModelPartner, system: str, seed: int) -> None:
        self._of, self._system, self._seed = partner, system, seed

    async def reply(self, history: Sequence[Turn]) -> PartnerTurn:
        """What the model says next."""
        return await self._of.answer(self._of.request(self._system, history, self._seed))
