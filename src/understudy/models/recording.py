"""What was asked and answered, a line each; such a file is what `scripted:` plays."""

from __future__ import annotations

from pathlib import Path

import msgspec

from understudy.errors import UsageError
from understudy.models.model import FAULTS, Completion, LanguageModel, ModelFault, Request, Usage, close_model


class FaultRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A fault as data."""

    kind: str
    code: str
    what: str
    why: str
    fix: str
    usage: Usage | None = None
    retry_after: float | None = None
    stops_run: bool = False

    @classmethod
    def of(cls, fault: ModelFault) -> FaultRecord:
        """The record of `fault`."""
        return cls(
            fault.kind,
            fault.code,
            fault.what,
            fault.why,
            fault.fix,
            fault.usage,
            fault.retry_after,
            fault.stops_run,
        )

    def fault(self) -> ModelFault:
        """The fault again, to be raised."""
        return FAULTS[self.kind](
            self.code,
            self.what,
            why=self.why,
            fix=self.fix,
            usage=self.usage,
            retry_after=self.retry_after,
            stops_run=self.stops_run,
        )


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a recording."""

    request: Request
    identity: str = ""
    completion: Completion | None = None
    fault: FaultRecord | None = None


class Recording:
    """A model that appends every exchange to a JSONL file as it ends, faults among them."""

    def __init__(self, model: LanguageModel, path: str | Path) -> None:
        self.identity = model.identity
        self._model = model
        try:
            self._file = Path(path).open("ab", buffering=0)  # noqa: SIM115 - open as long as the model
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written: {error.strerror}",
                why="exchanges with the model are recorded there",
                fix="give another file",
            ) from error

    async def complete(self, request: Request) -> Completion:
        """The wrapped model's answer, recorded."""
        try:
            completion = await self._model.complete(request)
        except ModelFault as fault:
            self._write(Exchange(request, self.identity, fault=FaultRecord.of(fault)))
            raise
        self._write(Exchange(request, self.identity, completion))
        return completion

    def _write(self, exchange: Exchange) -> None:
        self._file.write(msgspec.json.encode(exchange) + b"\n")

    async def aclose(self) -> None:
        """Close the file and the wrapped model."""
        self._file.close()
        await close_model(self._model)
