"""A user's own object by `module:object`, with errors that say what stands in the way."""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from pathlib import Path
from typing import Any

from understudy.errors import UsageError

_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_import_path(text: str) -> bool:
    """Whether `text` has the form `module:object`.

    >>> is_import_path("my.tasks:Sentiment"), is_import_path("my tasks")
    (True, False)
    """
    return _IMPORT_PATH.fullmatch(text) is not None


def import_object(path: str, *, what: str, used: str, give: str) -> Any:
    """The object at `module:object`, looked for on the path of Python and in the working folder.

    `what` names the thing in errors, `used` says what it is wanted for, `give` what to give instead. Raises
    `UsageError` where there is none, with the nearest name.

    >>> import_object("os.path:basenam", what="partner", used="called for every reply", give="module:function")
    Traceback (most recent call last):
    understudy.errors.UsageError: partner 'os.path:basenam': module os.path has no 'basenam'
      why: it would be called for every reply; did you mean 'basename'?
      fix: give module:function
    """
    name, _, attribute = path.partition(":")
    found: Any = _module(name, path, what)
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, [n for n in dir(found) if not n.startswith("_")], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(
                f"{what} {path!r}: module {name} has no {part!r}",
                why=f"it would be {used}{hint}",
                fix=f"give {give}",
            )
        found = getattr(found, part)
    return found


def _module(name: str, path: str, what: str) -> Any:
    here = str(Path.cwd())
    added = here not in sys.path and "" not in sys.path
    if added:  # A script beside the data is the usual home of one's own code; `python -m` looks there as well.
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        whose = "it" if missing == name or name.startswith(missing + ".") else f"{missing!r}, which it imports,"
        raise UsageError(
            f"{what} {path!r}: no module named {missing!r}",
            why=f"{whose} was not found in {here} nor on the path of Python",
            fix="check the spelling, run from the folder that holds it, or install it",
        ) from error
    except Exception as error:
        raise UsageError(
            f"{what} {path!r}: importing {name} failed: {type(error).__name__}: {error}",
            why=f"the {what}'s own code raised while it was loaded",
            fix=f"mend it until `python -c 'import {name}'` works",
        ) from error
    finally:
        if added and here in sys.path:
            sys.path.remove(here)
