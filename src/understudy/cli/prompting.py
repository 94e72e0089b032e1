"""The models of a plan: the one that writes or plays the user, and who answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from understudy.cli.generating import Turns
from understudy.cli.models import Models, read_prompt
from understudy.models.model import close_model
from understudy.models.opening import OpenModel
from understudy.models.reasoning import ReasoningApart
from understudy.rollouts.model_partner import ModelPartner, prompt_version
from understudy.rollouts.partner import Partner
from understudy.rollouts.partners import open_partner
from understudy.scenarios.people import PlannedUsers

if TYPE_CHECKING:
    from understudy.scenarios.preparation import Prepared


class Opened(NamedTuple):
    """The models of a run under their policies, the one that writes, and who answers a prompted user.

    Without a writer, fitted speakers play both sides; without a partner, the writer answers too.
    """

    models: Models
    writer: OpenModel | None
    partner: Partner | None

    @property
    def label(self) -> str:
        """What of it decides the result."""
        partner = prompt_version() if self.partner is None else self.partner.identity
        return "" if self.writer is None else f"{self.writer.identity}|{partner}"

    async def close(self) -> None:
        """Close connections and files."""
        for model in self.models.opened.values():
            await close_model(model)


def open_models(models: Models, writer: str, partner: str | None, told: str | None, *, seed: int) -> Opened:
    """Open by URI who writes and, where one is named, who answers; `told` is a file with the partner's instruction."""
    if writer == "embedded:":
        return Opened(models, None, None)
    system = None if told is None else read_prompt(told)
    answers = None if partner is None else open_partner(partner, seed=seed, models=models, system=system)
    return Opened(models, models(writer), answers)


def prompted_speakers(opened: Opened, writer: OpenModel, prepared: Prepared) -> Turns:
    """A prompted user whose intents are fitted to the reference (stated, where there is none), and its partner.

    Without a partner the same model is one: an assistant that sees the turns and the topic.
    """
    users, writing = PlannedUsers(writer, prepared), prepared.plan.writing
    other = opened.partner or ModelPartner(
        ReasoningApart(writer), temperature=writing.temperature, max_tokens=writing.max_tokens
    )
    return Turns(users.prompted, other, prepared, lambda task: users.profile(task.scenario))
