"""The one door through which optional, heavy packages come in."""

from __future__ import annotations

import importlib
from types import ModuleType

from understudy.errors import MissingExtraError


def require(module: str, *, purpose: str, extra: str | None = None, package: str | None = None) -> ModuleType:
    """Import `module`, or say which extra brings it, or which `package` where it is none of ours.

    >>> require("json", extra="none", purpose="reading").__name__
    'json'
    >>> require("no_such_module", extra="hf", purpose="sentence embeddings")
    Traceback (most recent call last):
    understudy.errors.MissingExtraError: the package 'no_such_module' is not installed
      why: sentence embeddings needs it
      fix: pip install 'understudy[hf]'
    >>> require("no_such_peer.users", package="no-such-peer", purpose="a simulated user in its loop")
    Traceback (most recent call last):
    understudy.errors.MissingExtraError: the package 'no_such_peer' is not installed
      why: a simulated user in its loop needs it
      fix: pip install no-such-peer
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"the package {module.split('.')[0]!r} is not installed",
            why=f"{purpose} needs it",
            fix=f"pip install {package}" if package else f"pip install 'understudy[{extra}]'",
        ) from error
