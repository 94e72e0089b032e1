"""A fitted population as a folder: one JSON file and four Parquet tables, with a digest over all of them."""

from __future__ import annotations

import hashlib
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from understudy.errors import SimulatorError
from understudy.users.material import Floats, Material, Side, Turns
from understudy.users.partner_model import PartnerModel

if TYPE_CHECKING:
    import polars as pl

SCHEMA = "understudy.population/1"
_HEADER = "population.json"
_TABLES = ("turns", "talks", "words", "cells")


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """`population.json`."""

    schema: str
    copy_guard: str
    seed: int
    corpus_digest: str
    topics: tuple[str, ...]
    has_users: bool
    user_labels: tuple[str, ...]
    user_labels_from_acts: bool
    assistant_labels: tuple[str, ...]
    assistant_labels_from_acts: bool
    dimensions: int
    common: int
    shared_rate: float
    digest: str
    partner_model: PartnerModel | None = None  # came later: a folder without it learns it from its turns


def _tables(material: Material) -> dict[str, pl.DataFrame]:
    import polars as pl

    turns = material.turns
    label = np.zeros(len(turns.texts), dtype=np.int64)
    label[turns.is_user] = material.user.label
    label[~turns.is_user] = material.assistant.label
    cells = np.vstack([material.user.centroids, material.assistant.centroids])
    sides = [True] * len(material.user.centroids) + [False] * len(material.assistant.centroids)
    vector = pl.Array(pl.Float32, material.matrix.shape[1])
    # A column that came later: left out where no turn has it, and not asked for by `_material`.
    rated = any(value is not None for value in turns.satisfaction)
    more = {"satisfaction": pl.Series(turns.satisfaction, dtype=pl.Float64)} if rated else {}
    return {
        "turns": pl.DataFrame(
            {
                "talk": turns.talk.astype(np.uint32),
                "is_user": turns.is_user,
                "text": pl.Series(turns.texts, dtype=pl.String),
                "acts": pl.Series([list(a) for a in turns.acts], dtype=pl.List(pl.String)),
                "kinds": pl.Series([[k for k, _ in m] for m in turns.mentions], dtype=pl.List(pl.String)),
                "surfaces": pl.Series([[s for _, s in m] for m in turns.mentions], dtype=pl.List(pl.String)),
                "label": label.astype(np.uint16),
                **more,
            }
        ),
        "talks": pl.DataFrame({"user": turns.user_of_talk, "topic": turns.topic_of_talk}),
        "words": pl.DataFrame(
            {
                "word": pl.Series(material.words, dtype=pl.String),
                "vector": pl.Series(material.matrix, dtype=vector),
            }
            if material.words
            else {"word": pl.Series([], dtype=pl.String), "vector": pl.Series([], dtype=vector)}
        ),
        "cells": pl.DataFrame(
            {
                "is_user": pl.Series(sides, dtype=pl.Boolean),
                "vector": pl.Series(cells, dtype=vector) if len(cells) else pl.Series([], dtype=vector),
            }
        ),
    }


def save_material(material: Material, folder: Path, *, copy_guard: str) -> None:
    """Write the folder: all files beside it first, so that a full disk leaves what was there; the header goes last."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as draft:
        _write_material(material, Path(draft), copy_guard=copy_guard)
        (folder / _HEADER).unlink(missing_ok=True)
        for file in sorted(Path(draft).iterdir(), key=lambda file: file.name == _HEADER):
            file.replace(folder / file.name)


def _write_material(material: Material, folder: Path, *, copy_guard: str) -> None:
    state = hashlib.blake2b(digest_size=16)
    for name, table in _tables(material).items():
        buffer = io.BytesIO()
        table.write_parquet(buffer, compression="zstd")
        (folder / f"{name}.parquet").write_bytes(buffer.getvalue())
        state.update(buffer.getvalue())
    header = Header(
        schema=SCHEMA,
        copy_guard=copy_guard,
        seed=material.seed,
        corpus_digest=material.corpus_digest,
        topics=tuple(material.turns.topics),
        has_users=material.turns.has_users,
        user_labels=tuple(material.user.labels),
        user_labels_from_acts=material.user.from_acts,
        assistant_labels=tuple(material.assistant.labels),
        assistant_labels_from_acts=material.assistant.from_acts,
        dimensions=int(material.matrix.shape[1]),
        common=material.common,
        shared_rate=material.shared_rate,
        digest=state.hexdigest(),
        partner_model=material.partner_model,
    )
    (folder / _HEADER).write_bytes(msgspec.json.format(msgspec.json.encode(header), indent=2) + b"\n")


def _broken(folder: Path, what: str) -> SimulatorError:
    return SimulatorError(
        f"{folder}: {what}",
        why="a users folder is read whole or not at all",
        fix="fit it again: understudy fit REAL --out USERS",
    )


def load_material(folder: Path) -> tuple[Material, str]:
    """Read a folder that `save_material` wrote: the material and the copy guard it was saved with."""
    import polars as pl

    try:
        header = msgspec.json.decode((folder / _HEADER).read_bytes(), type=Header)
        raw = {name: (folder / f"{name}.parquet").read_bytes() for name in _TABLES}
    except FileNotFoundError as error:
        raise _broken(folder, f"no fitted population here ({Path(error.filename).name} is missing)") from error
    except (OSError, msgspec.DecodeError) as error:
        raise _broken(folder, f"{_HEADER} cannot be read ({error})") from error
    if header.schema != SCHEMA:
        raise _broken(folder, f"its schema is {header.schema!r}, this version reads {SCHEMA!r}")
    state = hashlib.blake2b(digest_size=16)
    for name in _TABLES:
        state.update(raw[name])
    if state.hexdigest() != header.digest:
        raise _broken(folder, "its tables were changed or cut after they were written (digest differs)")
    table = {name: pl.read_parquet(io.BytesIO(content)) for name, content in raw.items()}
    return _material(header, table), header.copy_guard


def _material(header: Header, table: dict[str, pl.DataFrame]) -> Material:
    said, talks, words, cells = (table[name] for name in _TABLES)
    is_user = said["is_user"].to_numpy()
    label = said["label"].to_numpy().astype(np.int64)
    turns = Turns(
        said["talk"].to_numpy().astype(np.int64),
        is_user,
        said["text"].to_list(),
        [tuple(acts) for acts in said["acts"].to_list()],
        [
            tuple(zip(k, s, strict=True))
            for k, s in zip(said["kinds"].to_list(), said["surfaces"].to_list(), strict=True)
        ],
        said["satisfaction"].to_list() if "satisfaction" in said.columns else [None] * len(said),
        talks["user"].to_numpy().astype(np.int64),
        talks["topic"].to_numpy().astype(np.int64),
        list(header.topics),
        header.has_users,
    )

    def vectors(frame: pl.DataFrame) -> Floats:
        flat = np.asarray(frame["vector"].to_numpy(), dtype=np.float32)
        return np.ascontiguousarray(flat.reshape(len(frame), header.dimensions))

    def side(*, user: bool) -> Side:
        mine = cells.filter(cells["is_user"] == user)
        labels = header.user_labels if user else header.assistant_labels
        from_acts = header.user_labels_from_acts if user else header.assistant_labels_from_acts
        return Side(list(labels), label[is_user == user], vectors(mine), from_acts)

    return Material(
        turns,
        words["word"].to_list(),
        vectors(words),
        side(user=True),
        side(user=False),
        header.common,
        header.shared_rate,
        header.seed,
        header.corpus_digest,
        header.partner_model,
    )
