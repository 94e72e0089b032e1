"""Where a result goes, checked before the work: a long fit must not end at a path that cannot be written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from understudy.errors import UsageError


def folder_for(path: str, option: str = "--out") -> Path:
    """A folder that exists or can be made, and can be written."""
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"{option} {path} is a file", why="the result is a folder", fix="name a folder, new or existing"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, option, error) from error
    if not os.access(folder, os.W_OK):
        raise _unusable(path, option, PermissionError("permission denied"))
    return folder


def file_for(path: str, option: str = "--out", *, inputs: Sequence[str] = ()) -> Path:
    """A corpus file of a known format, in a folder that exists and can be written, and none of `inputs`."""
    from understudy.conversations.containers import SUFFIXES, suffix_of

    file = _no_folder(path, option, example="result.jsonl")
    if not suffix_of(file):
        raise UsageError(
            f"{option} {path} does not say in which format to write",
            why=f"the suffix decides: {', '.join(SUFFIXES)} (text also with .gz or .zst)",
            fix=f"for example {option} {file.with_suffix('.jsonl')}",
        )
    return text_for(path, option, inputs=inputs)


def text_for(path: str, option: str, *, inputs: Sequence[str] = ()) -> Path:
    """A file of any name, in a folder that exists and can be written, and none of `inputs`."""
    file = _no_folder(path, option)
    if not file.parent.is_dir():
        raise UsageError(
            f"{option} {path}: there is no folder {file.parent}",
            why="the result could not be written",
            fix=f"mkdir -p {file.parent}",
        )
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise _unusable(path, option, PermissionError("permission denied"))
    if file.exists() and any(Path(one).exists() and file.samefile(one) for one in inputs):
        raise UsageError(
            f"{option} {path} is one of the files to read",
            why="its conversations would be lost",
            fix="write to another file",
        )
    return file


def _no_folder(path: str, option: str, *, example: str = "result") -> Path:
    file = Path(path)
    if file.is_dir():
        raise UsageError(
            f"{option} {path} is a folder",
            why="the result is one file",
            fix=f"for example {option} {file / example}",
        )
    return file


def _unusable(path: str, option: str, error: OSError) -> UsageError:
    return UsageError(
        f"{option} {path} cannot be written: {error.strerror or error}",
        why="the result would be lost at the end",
        fix="choose a path that you may write to",
    )
