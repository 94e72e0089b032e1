"""Where training stands, on disk: one file of tensors and one header with a digest, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from understudy._require import require
from understudy.errors import SimulatorError
from understudy.users.neural.decoder import PURPOSE

if TYPE_CHECKING:
    from torch import Tensor

SCHEMA = "understudy.checkpoint/1"
_HEADER, _TENSORS = "checkpoint.json", "checkpoint-{}.safetensors"


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """The header: which run this is of (`job`, a digest of all that decides it), how far it is, and what was logged."""

    schema: str = SCHEMA
    job: str
    stage: str
    step: int
    log: list[dict[str, Any]]
    numbers: dict[str, float]
    file: str
    digest: str


class Checkpoint(NamedTuple):
    """What `load_checkpoint` gives back."""

    stage: str
    step: int
    log: list[dict[str, Any]]
    numbers: dict[str, float]
    tensors: dict[str, Tensor]


def save_checkpoint(folder: Path, job: str, checkpoint: Checkpoint) -> None:
    """Put this checkpoint in the place of the last one. Killed at any moment, one of both stands."""
    tensors = require("safetensors.torch", extra="train", purpose=PURPOSE)
    folder.mkdir(parents=True, exist_ok=True)
    data = tensors.save({name: t.detach().contiguous() for name, t in checkpoint.tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    name = _TENSORS.format(digest[:12])
    header = Saved(
        job=job, stage=checkpoint.stage, step=checkpoint.step, log=checkpoint.log, numbers=checkpoint.numbers,
        file=name, digest=digest,
    )  # fmt: skip
    _write(folder / name, data)
    _write(folder / _HEADER, msgspec.json.encode(header))
    for old in folder.glob(_TENSORS.format("*")):
        if old.name != name:
            old.unlink()


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def load_checkpoint(folder: Path, job: str) -> Checkpoint | None:
    """The checkpoint in `folder`, None where there is none. `SimulatorError` where it is damaged or of another run."""
    if not (folder / _HEADER).is_file():
        return None
    tensors = require("safetensors.torch", extra="train", purpose=PURPOSE)
    broken = require("safetensors", extra="train", purpose=PURPOSE).SafetensorError
    try:
        header = msgspec.json.decode((folder / _HEADER).read_bytes(), type=Saved)
        data = (folder / Path(header.file).name).read_bytes()
        if header.schema != SCHEMA or hashlib.sha256(data).hexdigest() != header.digest:
            raise ValueError("its tensors are not those that its header was written with")
        found = tensors.load(data)
    except (OSError, ValueError, msgspec.MsgspecError, broken) as error:
        raise SimulatorError(
            f"{folder}: this checkpoint cannot be gone on from ({error})",
            why="training goes on from exactly where it was, or not at all",
            fix="start again without --resume",
        ) from error
    if header.job != job:
        raise SimulatorError(
            f"{folder}: this checkpoint is of a training with other settings or data",
            why="it would end neither as the one nor as the other",
            fix="give the same arguments as before, or start again without --resume",
        )
    return Checkpoint(header.stage, header.step, header.log, header.numbers, found)


def remove_checkpoint(folder: Path) -> None:
    """Leave nothing of it behind."""
    for path in (folder / _HEADER, *folder.glob(_TENSORS.format("*"))):
        path.unlink(missing_ok=True)
    if folder.is_dir():
        folder.rmdir()
