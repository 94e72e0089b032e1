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

UNREACHED = ("unreachable", "dns", "tls", "connect_timeout")
MOST_UNREACHED = 3
_CHECK_URL = "check the URL of the model (behind @, or OPENAI_BASE_URL), and that its server runs"


class Breaker:
    """A model that stops calling after a fault that stops the run (key, URL, model name, quota, budget).

    Every later request fails at once with that fault, uncalled; `fault` is what stopped it. Where three calls in a
    row reached nobody, and none before them did, there is nobody there: that stops the run as well.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.identity = model.identity
        self.fault: ModelFault | None = None
        self._model = model
        self._unreached: int | None = 0  # calls that reached nobody; None once somebody has answered

    async def complete(self, request: Request) -> Completion:
        """The wrapped model's answer, unless the run has been stopped."""
        if self.fault is not None:
            raise _again(self.fault)
        try:
            completion = await self._model.complete(request)
        except ModelFault as fault:
            gone = self._nobody(fault)
            if (fault.stops_run or gone is not None) and self.fault is None:
                self.fault = gone or fault
            if gone is not None:
                raise gone from fault
            raise
        self._unreached = None
        return completion

    def _nobody(self, fault: ModelFault) -> ModelFault | None:
        if fault.code not in UNREACHED:
            if not fault.stops_run:
                self._unreached = None
            return None
        if self._unreached is None:
            return None
        self._unreached += 1
        return gone_for_good(fault) if self._unreached >= MOST_UNREACHED else None

    async def aclose(self) -> None:
        """Close the wrapped model."""
        await close_model(self._model)


def gone_for_good(fault: ModelFault) -> ModelFault:
    """The fault of an endpoint that nobody reaches, as one that stops the run: each conversation would only break."""
    fix = fault.fix if fault.code == "tls" else _CHECK_URL
    return TerminalFault(fault.code, fault.what, why="nobody answers there", fix=fix, usage=fault.usage, stops_run=True)


def _again(fault: ModelFault) -> TerminalFault:
    again = TerminalFault(fault.code, fault.what, why=fault.why, fix=fault.fix, usage=NOTHING_USED, stops_run=True)
    again.exit_code = fault.exit_code
    return again
