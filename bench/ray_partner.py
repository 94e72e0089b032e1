"""A partner that answers after a fixed time, as an endpoint would."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from understudy.conversations import Turn

LATENCY_S = 0.05


async def reply(history: Sequence[Turn]) -> str:
    """An answer, 50 ms later."""
    await asyncio.sleep(LATENCY_S)
    return f"answer {len(history)} to {history[-1].text}"
