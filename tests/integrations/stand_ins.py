"""Stand-ins for peers that the fast suite does without: the names that our adapters build on, and their calls.

They say nothing about the peers, which `test_peers.py` runs for themselves; they let the adapters be tried anywhere.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class Record(SimpleNamespace):
    """A message, a turn, a result: whatever it was made with."""

    def is_tool_call(self) -> bool:
        return bool(getattr(self, "tool_calls", None))


class Base:
    """A base class that keeps what it is given."""

    def __init__(self, **given: Any) -> None:
        self.__dict__.update(given)


def put(monkeypatch: pytest.MonkeyPatch, **contents: dict[str, Any]) -> None:
    """Modules under their names (`__` for a dot), their parents with them."""
    for name, names in contents.items():
        path = name.replace("__", ".")
        for end in range(1, path.count(".") + 2):
            part = ".".join(path.split(".")[:end])
            if part not in sys.modules or not hasattr(sys.modules[part], "stand_in"):
                module = ModuleType(part)
                module.stand_in = True  # type: ignore[attr-defined]
                monkeypatch.setitem(sys.modules, part, module)
        vars(sys.modules[path]).update(names)


def tau2(monkeypatch: pytest.MonkeyPatch) -> type[Base]:
    """τ²-bench 1.x: the base class of its users."""
    half_duplex = type("HalfDuplexUser", (Base,), {})
    put(
        monkeypatch,
        tau2__data_model__message={"UserMessage": Record},
        tau2__user__user_simulator_base={"HalfDuplexUser": half_duplex, "UserState": Record},
    )
    return half_duplex


def deepeval(monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepEval's node, turn and decisions."""
    put(
        monkeypatch,
        deepeval__simulator__simulation_graph={"SimulationNode": lambda action: Record(action=action)},
        deepeval__simulator__controller={
            "proceed": lambda: Record(should_end=False),
            "end": lambda reason: Record(should_end=True, reason=reason),
        },
        deepeval__test_case={"Turn": Record},
    )


def mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's base class of simulated users."""
    put(monkeypatch, mlflow__genai__simulators={"BaseSimulatedUserAgent": type("BaseSimulatedUserAgent", (Base,), {})})


def langwatch(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangWatch Scenario: the adapter's base class, roles, results, and the two steps that a script is made of."""

    def step(name: str) -> Any:
        def made() -> Any:
            async def run(state: Any) -> None:
                await state.take(name)

            return run

        return made

    put(
        monkeypatch,
        scenario={
            "AgentAdapter": type("AgentAdapter", (Base,), {}),
            "AgentRole": SimpleNamespace(USER="User"),
            "ScenarioResult": Record,
            "user": step("user"),
            "agent": step("agent"),
        },
    )


def inspect_ai(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inspect's decorators and records."""

    def decorator(**given: Any) -> Any:
        return lambda function: function

    put(
        monkeypatch,
        inspect_ai__solver={"solver": decorator},
        inspect_ai__model={"ChatMessageUser": lambda content, metadata: message("user", content, metadata)},
        inspect_ai__scorer={"scorer": decorator, "mean": Record, "stderr": Record, "Score": Record},
    )


def message(role: str, text: str, metadata: Any = None) -> Record:
    """A chat message of Inspect."""
    return Record(role=role, content=text, text=text, metadata=metadata)
