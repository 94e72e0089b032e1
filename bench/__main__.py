"""`python -m bench --data FOLDER [FIGURE ...]`: run the figures and write their tables to docs/results/."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

FIGURES = (
    "null",
    "truths",
    "metamorphic",
    "collapse",
    "fitted",
    "fluency",
    "speed",
    "layers",
    "journal",
    "endpoint",
    "orchestration",
    "rayrun",
    "ablation",
    "counterfactual",
    "mixing",
    "transfer",
    "transfer_speed",
    "false_progress",
    "ranking",
    "privacy",
    "relational",
    "partner_model",
    "consistency",
    "integrations",
    "training",
    "retest",
    "serve",
    "panel",
    "alignment",
    "traits",
)
ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "evidence.md")
RESULTS = ROOT / "docs" / "results"


def splice(figure: str, text: str) -> None:
    """Put a table where a page asks for it: between `<!-- result: FIGURE -->` and `<!-- end -->`."""
    mark = re.escape(f"<!-- result: {figure} -->")
    for page in PAGES:
        old = page.read_text("utf-8")
        new = re.sub(rf"({mark}\n).*?(<!-- end -->)", lambda m: f"{m[1]}{text}{m[2]}", old, flags=re.S)
        page.write_text(new, "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the corpora (*.jsonl.zst)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out", help="raw results")
    parser.add_argument("figures", nargs="*", default=list(FIGURES), help=f"any of {', '.join(FIGURES)}")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for figure in options.figures or FIGURES:
        started = time.perf_counter()
        module = importlib.import_module(f"bench.{figure}")
        text = f"<!-- python -m bench --data DATA {figure} -->\n{module.run(options.data, options.out)}\n"
        (RESULTS / f"{figure}.md").write_text(text)
        splice(figure, text)
        if hasattr(module, "short"):  # what of a long table stands in the README
            splice(f"{figure}, short", f"{module.short(options.out)}\n")
        print(f"## {figure} ({time.perf_counter() - started:.0f} s)\n\n{text}", flush=True)


if __name__ == "__main__":
    main()
