"""The one door through which optional, heavy packages come in."""

from __future__ import annotations

import importlib
from types import ModuleType

from understudy.errors import MissingExtraError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import `module`, or say which extra brings it.

    >>> require("json", extra="none", purpose="reading").__name__
    'json'
    >>> require("no_such_module", extra="hf", purpose="sentence embeddings")
    Traceback (most recent call last):
    understudy.errors.MissingExtraError: the package 'no_such_module' is not installed
      why: sentence embeddings needs it
      fix: pip install 'understudy[hf]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"the package {module.split('.')[0]!r} is not installed",
            why=f"{purpose} needs it",
            fix=f"pip install 'understudy[{extra}]'",
        ) from error
