"""`python -m tests.integrations.peers [GROUP ...]`: install the peers and let each hold its conversations."""

from __future__ import annotations

import sys

from tests.integrations.peers import GROUPS, run_tests


def main() -> int:
    groups = sys.argv[1:] or list(GROUPS)
    if unknown := set(groups) - set(GROUPS):
        sys.exit(f"no such group: {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    results = [result for group in groups for result in run_tests(group)]
    for result in results:
        told = result.told
        what = f"{told.get('user_turns', '')} turns, {told['ending']}" if "ending" in told else ""
        print(f"{result.outcome:6} {told.get('peer', '')} {told.get('version', '')}: {result.test} {what}".rstrip())
    failed = sum(result.outcome != "passed" for result in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
