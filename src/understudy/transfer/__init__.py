"""Does what is learned on synthetic users work on real ones? Tasks, training arms and what is measured of them."""

from __future__ import annotations

from understudy.transfer.task import Examples, Predictor, Task, open_task

__all__ = ["Examples", "Predictor", "Task", "open_task"]
