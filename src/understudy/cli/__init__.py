"""The command line: one file a verb. Only this room and `web` print, read the environment or configure logging."""

from __future__ import annotations


def main() -> int:
    """The `understudy` command."""
    from understudy.cli.app import main as run

    return run()
