"""A folder of corpora: what names say of them."""

from __future__ import annotations

from pathlib import Path

from understudy.claims.folder import files_of, paired, stem


def test_corpora_are_sorted_and_paired_by_name(tmp_path: Path) -> None:
    names = ("shop_real.jsonl", "shop_uk_human.jsonl.zst", "gpt_shop_uk_llm.json", "shop_sim.csv", "bank_syn.jsonl")
    for name in (*names, "notes.txt", "unknown.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "old_real.jsonl").mkdir()
    files = files_of(tmp_path)
    assert [stem(path) for path in files.neither] == ["unknown"]
    assert {stem(a): [stem(b) for b in made] for a, made in paired(files)} == {
        "shop_real": ["shop_sim"],
        "shop_uk_human": ["gpt_shop_uk_llm"],
    }
