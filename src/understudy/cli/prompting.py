"""The prompted user of a plan: a language model plays the scenario's user, turn by turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from understudy.errors import UsageError

if TYPE_CHECKING:
    from understudy.cli.generating import Speakers
    from understudy.models.model import LanguageModel
    from understudy.scenarios.preparation import Prepared


def prompted_speakers(model: LanguageModel, partner: str | None, prepared: Prepared) -> Speakers:
    """A prompted user, and as the partner the same model or what `partner` names."""
    raise UsageError(
        'writing.mode = "turns" with a language model is not available in this version',
        why="it takes the prompted user simulator",
        fix='set writing.mode = "whole" in the plan: the model then writes each conversation in one call',
    )
