"""Once nobody but a person can help, no further call goes out."""

from __future__ import annotations

from understudy.models.model import (
    NOTHING_USED,
    Completion,
    LanguageModel,
    ModelFault,
    Request,
    TerminalFault,
    close_model,
)


class Breaker:
    """A model that stops calling after a fault that stops the run (key, URL, model name, quota, budget).

    Every later request fails at once with that fault, uncalled; `fault` is what stopped it.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.identity = model.identity
        self.fault: ModelFault | None = None
        self._model = model

    async def complete(self, request: Request) -> Completion:
        """The wrapped model's answer, unless the run has been stopped."""
        if self.fault is not None:
            raise _again(self.fault)
        try:
            return await self._model.complete(request)
        except ModelFault as fault:
            if fault.stops_run and self.fault is None:
                self.fault = fault
            raise

    async def aclose(self) -> None:
        """Close the wrapped model."""
        await close_model(self._model)


def _again(fault: ModelFault) -> TerminalFault:
    again = TerminalFault(fault.code, fault.what, why=fault.why, fix=fault.fix, usage=NOTHING_USED, stops_run=True)
    again.exit_code = fault.exit_code
    return again
