"""The built-in tasks, one a file."""

from __future__ import annotations
