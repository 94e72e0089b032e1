"""Agent trajectories in the manner of tau-bench: messages of a user, an assistant and its tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from understudy.conversations.formats.drafts import Draft, Line, draft_from, lines_from, turn_list
from understudy.conversations.records import Ending

NAME = "trajectory"
_SIGNAL = re.compile(r"\s*###(STOP|TRANSFER|OUT-OF-SCOPE|DONE)###\s*")
_MARKS = {"reward", "reward_info", "termination_reason", "trial", "task_id"}


def matches(row: Mapping[str, Any]) -> bool:
    """Whether the row has a trajectory, or messages beside a task and its outcome."""
    if isinstance(row.get("traj"), list):
        return True
    return isinstance(row.get("messages"), list) and len(row.keys() & _MARKS) >= 2


def parse(row: Mapping[str, Any]) -> Draft:
    """A word by which the user signals its end becomes the ending and leaves the text."""
    key = "traj" if isinstance(row.get("traj"), list) else "messages"
    lines = lines_from(turn_list(row[key], key), ("role",), ("content",))
    lines, signal = _without_signals(lines)
    draft = draft_from(row, lines, key)
    if draft.id is None and isinstance(row.get("task_id"), (str, int)):
        trial = row.get("trial")
        draft = draft._replace(id=f"{row['task_id']}" if trial is None else f"{row['task_id']}-{trial}")
    if signal is not None and draft.ending is None:
        draft = draft._replace(ending=Ending("user", signal))
    return draft


def _without_signals(lines: list[Line]) -> tuple[list[Line], str | None]:
    kept: list[Line] = []
    signal: str | None = None
    for line in lines:
        if line.speaker == "user" and line.text is not None and (met := _SIGNAL.search(line.text)):
            signal = met.group(1).lower()
            rest = _SIGNAL.sub(" ", line.text).strip()
            if not rest:
                continue
            line = line._replace(text=rest)
        kept.append(line)
    return kept, signal
