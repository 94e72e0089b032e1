import os
from pathlib import Path

import numpy as np
import pytest

from understudy.conversations.reading import read_corpus
from understudy.conversations.splitting import split_corpus
from understudy.transfer import open_task

DATA = Path(os.environ.get("UNDERSTUDY_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no corpora at {DATA} (set UNDERSTUDY_DATA)"),
]


@pytest.mark.parametrize(
    ("name", "corpus", "gain"),
    [
        ("acts", "woz2_real", 0.3),
        ("genre", "redial_real", 0.05),
        ("next_response", "persuasionforgood_real", 0.05),
        ("topic", "recllmsim_human_real", 0.3),
    ],
)
def test_real_conversations_teach_what_the_baseline_does_not_know(name, corpus, gain):
    path = DATA / f"{corpus}.jsonl.zst"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    train, test = split_corpus(read_corpus(path).corpus[:500], (0.5, 0.5), seed=3, merge_near_duplicates=False)
    task = open_task(name)
    learnt, asked = task.examples(train), task.examples(test)
    baseline = task.score(task.baseline(learnt, seed=0), asked)
    trained = task.score(task.fit(learnt, seed=0), asked)
    assert trained.mean() > baseline.mean() + gain
    assert np.unique(asked.units).size > 10
