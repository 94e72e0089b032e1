"""Partners for the tests of the engine ray, found by name from its workers."""

import asyncio
import os
from pathlib import Path

from understudy.rollouts.partner import PartnerTurn


async def waiting(history):
    await asyncio.sleep(0.002 * (1 + len(history) % 3))
    return f"answer {len(history)} to {history[-1].text}"


class Dying:
    """Writes down each call in the working folder, and kills its own process once, in the middle of things."""

    def start(self, *, topic, seed):
        return Mortal(seed)


class Mortal:
    def __init__(self, seed):
        self._seed = seed

    async def reply(self, history):
        with Path("calls").open("a") as calls:
            calls.write(f"{self._seed} {len(history)}\n")
        if not Path("died").exists() and len(Path("calls").read_text().splitlines()) > 40:
            Path("died").write_text(str(os.getpid()))
            os.kill(os.getpid(), 9)
        return PartnerTurn(await waiting(history))


dying = Dying()


async def deadly(history):
    os.kill(os.getpid(), 9)
