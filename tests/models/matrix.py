"""Dialogues against an endpoint at which every fault there is happens: what became of each."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NamedTuple

from tests.stub_answers import expected_answer
from tests.stub_server import StubServer
from understudy.models.accounts import Timeouts
from understudy.models.model import Message, ModelFault, Request
from understudy.models.opening import OpenModel, open_model

TURNS = 4
ATTEMPTS = 4


class Outcome(NamedTuple):
    """Every dialogue is complete or failed(reason); `wrong` counts texts that were not the whole answer."""

    complete: int
    failed: Counter[str]
    wrong: int
    kinds_met: int
    calls: int
    planned_calls: int


async def _short_sleep(seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.002))


def _open(stub: StubServer, *, stream: bool, concurrency: int, seed: int) -> OpenModel:
    model = open_model(
        f"openai:stub@{stub.url}", stream=stream, concurrency=concurrency, attempts=ATTEMPTS,
        timeouts=Timeouts(2.0, 0.5, 1.0), seed=seed,
    )  # fmt: skip
    # Waits for one request are shortened, and so are pauses of the account; what is decided stays the same.
    model._retrying._sleep = _short_sleep
    model._limiter.longest_pause_s = 0.01
    return model


async def run_matrix(n: int, *, rate: float = 0.2, concurrency: int = 64, seed: int = 0) -> Outcome:
    """`n` dialogues of four calls, half of them streamed, against all faults that leave the run alive."""
    failed: Counter[str] = Counter()
    complete = wrong = 0
    async with StubServer(fault_rate=rate, seed=seed) as stub:
        models = [_open(stub, stream=s, concurrency=concurrency, seed=seed) for s in (False, True)]

        async def dialogue(k: int) -> None:
            nonlocal complete, wrong
            messages = [Message("system", f"Dialogue {k} of seed {seed}.")]
            try:
                for turn in range(TURNS):
                    messages.append(Message("user", f"dialogue {k}, turn {turn}"))
                    answer = await models[k % 2].complete(Request(tuple(messages), max_tokens=64))
                    wrong += answer.text != expected_answer(messages[-1].content)
                    messages.append(Message("assistant", answer.text))
            except ModelFault as fault:
                failed[fault.code] += 1
            else:
                complete += 1

        waiting = iter(range(n))

        async def worker() -> None:
            for k in waiting:
                await dialogue(k)

        await asyncio.gather(*(worker() for _ in range(concurrency)))
        for model in models:
            await model.aclose()
        return Outcome(complete, failed, wrong, len(stub.met), stub.calls, n * TURNS)


async def run_fatal(fault: str, *, n: int = 1000, concurrency: int = 64) -> tuple[int, Counter[str], str]:
    """Calls that went out, and how the dialogues ended, where nobody but a person can help."""
    ends: Counter[str] = Counter()
    fix = ""
    async with StubServer(fault_rate=1.0, faults=(fault,), latency_s=0.01) as stub:
        model = _open(stub, stream=False, concurrency=concurrency, seed=0)

        async def one(k: int) -> None:
            nonlocal fix
            try:
                await model.complete(Request((Message("user", str(k)),)))
                ends["complete"] += 1
            except ModelFault as error:
                ends[error.code] += 1
                fix = error.fix

        await asyncio.gather(*(one(k) for k in range(n)))
        await model.aclose()
        return stub.calls, ends, fix
