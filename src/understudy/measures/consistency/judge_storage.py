"""An embedded judge as a folder: one JSON file and Parquet tables, with a digest over all of them."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from understudy.errors import MeasureError
from understudy.measures.consistency.contradiction import FEATURES
from understudy.measures.consistency.embedded_judge import EmbeddedJudge, Kind
from understudy.measures.consistency.letter_ranker import BUCKETS, LetterRanker
from understudy.measures.consistency.word_ranker import WordRanker

if TYPE_CHECKING:
    import polars as pl

SCHEMA = "understudy.judge/1"
HEADER = "judge.json"


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`judge.json`: everything but the large tables, and the digest over those."""

    schema: str
    kind: Kind
    scale: tuple[float, float]
    against: list[float]
    shares: list[float]
    weights: list[float]
    human_labels: int
    fitted_on: dict[str, str]
    calibration: dict[str, float]
    digest: str


def _tables(judge: EmbeddedJudge) -> dict[str, pl.DataFrame]:
    import polars as pl

    ranker = judge.ranker
    if isinstance(ranker, WordRanker):
        keys = np.array(list(ranker.table), dtype=np.int64).reshape(-1, 2)
        return {
            "words": pl.DataFrame({"word": pl.Series(ranker.words, dtype=pl.String), "share": ranker.background}),
            "pairs": pl.DataFrame({"word": keys[:, 0], "by": keys[:, 1], "share": list(ranker.table.values())}),
        }
    basis = ranker.basis.T.astype(np.float32)
    return {
        "runs": pl.DataFrame(
            {"rarity": ranker.rarity, "basis": basis}, schema_overrides={"basis": pl.Array(pl.Float32, basis.shape[1])}
        )
    }


def save_judge(
    judge: EmbeddedJudge,
    folder: Path,
    *,
    fitted_on: dict[str, str],
    calibration: dict[str, float] | None = None,
) -> None:
    """Write `judge` to `folder`, whole or not at all; `load_judge` gives it back."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as draft:
        digest = hashlib.sha256()
        for name, table in sorted(_tables(judge).items()):
            buffer = io.BytesIO()
            table.write_parquet(buffer)
            digest.update(buffer.getvalue())
            (Path(draft) / f"{name}.parquet").write_bytes(buffer.getvalue())
        ranker = judge.ranker
        header = Header(
            schema=SCHEMA,
            kind=judge.kind,
            scale=judge.scale,
            against=judge.against.tolist(),
            shares=ranker.shares.tolist() if isinstance(ranker, WordRanker) else [],
            weights=ranker.weights.tolist() if isinstance(ranker, LetterRanker) else [],
            human_labels=judge.human_labels,
            fitted_on=fitted_on,
            calibration=calibration or {},
            digest=digest.hexdigest(),
        )
        # The header comes last: a folder without one is no judge.
        folder.mkdir(exist_ok=True)
        (folder / HEADER).unlink(missing_ok=True)
        for file in Path(draft).iterdir():
            os.replace(file, folder / file.name)
        (Path(draft) / HEADER).write_bytes(msgspec.json.format(msgspec.json.encode(header)))
        os.replace(Path(draft) / HEADER, folder / HEADER)


def load_judge(folder: str | Path) -> EmbeddedJudge:
    """The judge that `save_judge` wrote. `MeasureError` where the folder holds none, or another than was written."""
    import polars as pl

    folder = Path(folder)
    try:
        header = msgspec.json.decode((folder / HEADER).read_bytes(), type=Header)
        names = ("pairs", "words") if header.kind == "words" else ("runs",)
        raw = {name: (folder / f"{name}.parquet").read_bytes() for name in names}
        if (
            header.schema != SCHEMA
            or hashlib.sha256(b"".join(raw[name] for name in sorted(raw))).hexdigest() != header.digest
        ):
            raise ValueError("the tables are not those that the header was written with")
        tables = {name: pl.read_parquet(io.BytesIO(data)) for name, data in raw.items()}
        ranker = _words(header, tables) if header.kind == "words" else _letters(header, tables)
        if len(header.against) != len(FEATURES) + 1:
            raise ValueError(f"{len(header.against)} weights against contradictions, {len(FEATURES) + 1} expected")
    except (OSError, ValueError, msgspec.MsgspecError, pl.exceptions.PolarsError) as error:
        raise MeasureError(
            f"{folder}: no judge of lines ({error})",
            why="verdicts of a judge that is not what it was fitted to be mean nothing",
            fix="fit one with `understudy fit-judge REAL --out judge/`",
        ) from error
    return EmbeddedJudge(
        header.kind,
        ranker,
        header.scale,
        np.array(header.against),
        fitted_on=list(header.fitted_on.values()),
        human_labels=header.human_labels,
    )


def _words(header: Header, tables: dict[str, pl.DataFrame]) -> WordRanker:
    words, pairs = tables["words"], tables["pairs"]
    ends = (pairs["word"].to_numpy(), pairs["by"].to_numpy())
    if len(header.shares) != 3 or any(len(x) and (x.min() < 0 or x.max() >= len(words)) for x in ends):
        raise ValueError("pairs of words that are not in its list")
    table = dict(zip(zip(ends[0].tolist(), ends[1].tolist(), strict=True), pairs["share"].to_list(), strict=True))
    return WordRanker(words["word"].to_list(), words["share"].to_numpy(), table, np.array(header.shares))


def _letters(header: Header, tables: dict[str, pl.DataFrame]) -> LetterRanker:
    runs = tables["runs"]
    basis = runs["basis"].to_numpy().astype(np.float64).T
    if len(runs) != BUCKETS or len(header.weights) != basis.shape[0] + 3:
        raise ValueError(f"{len(runs)} runs of letters and {len(header.weights)} weights do not fit together")
    return LetterRanker(runs["rarity"].to_numpy(), np.ascontiguousarray(basis), np.array(header.weights))
