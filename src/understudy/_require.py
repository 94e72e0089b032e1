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
        name = module.split(".")[0]
        other = (error.name or name).split(".")[0] != name  # it is there, and lacks what it is built on
        raise MissingExtraError(
            f"the package {name!r} does not load: {error}" if other else f"the package {name!r} is not installed",
            why=f"{purpose} needs it",
            fix=f"pip install {package}" if package else f"pip install 'understudy[{extra}]'",
        ) from error
