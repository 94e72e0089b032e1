"""Fit, simulate, audit in a row: the demonstration and the self test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from understudy.cli.output import OnProgress
    from understudy.conversations import Corpus
    from understudy.measures.measurement import Measurement
    from understudy.reports.report import Report


class Chain(NamedTuple):
    """The files of a chain; what it did can be done again by hand with the commands."""

    folder: Path

    @property
    def train(self) -> Path:
        """Conversations that users and partner are fitted to."""
        return self.folder / "train.jsonl"

    @property
    def held_out(self) -> Path:
        """Conversations of other people, to be judged against."""
        return self.folder / "held-out.jsonl"

    @property
    def users(self) -> Path:
        """The fitted population."""
        return self.folder / "users"

    @property
    def synthetic(self) -> Path:
        """What the simulated users said."""
        return self.folder / "syn.jsonl"

    def commands(self, n: int, seed: int) -> list[str]:
        """The same steps as a person would type them."""
        tail = f" --seed {seed}" if seed else ""
        return [
            f"understudy fit {self.train} --out {self.users}{tail}",
            f"understudy simulate {self.users} --partner fitted:{self.users} -n {n} --out {self.synthetic}{tail}",
            f"understudy audit {self.synthetic} --real {self.held_out} --out {self.folder}{tail}",
        ]


def run_chain(
    train: Corpus,
    held_out: Corpus,
    folder: Path,
    *,
    n: int,
    seed: int,
    permutations: int = 999,
    on_progress: OnProgress | None = None,
) -> Report:
    """Fit to `train`, let `n` conversations happen, audit them against `held_out`; files go into `folder`."""
    from understudy.conversations import Corpus, CorpusCard
    from understudy.conversations.writing import write_corpus
    from understudy.reports.audit import audit
    from understudy.reports.report import save_report
    from understudy.rollouts.partners import open_partner
    from understudy.rollouts.simulate import simulate
    from understudy.users.opening import open_users
    from understudy.users.population import fit_population

    chain = Chain(folder)
    tell = on_progress or (lambda stage, done, total: None)
    write_corpus(chain.train, train)
    write_corpus(chain.held_out, held_out)
    tell("fit", 0, 1)
    fit_population(train, copy_guard="guarded", seed=seed).save(chain.users)
    people, partner = open_users(chain.users), open_partner(f"fitted:{chain.users}")
    result = simulate(people, partner, n=n, seed=seed, on_progress=on_progress)
    write_corpus(chain.synthetic, result.conversations)
    synthetic = Corpus(result.conversations, CorpusCard(origin="synthetic", source=chain.synthetic.name))
    report = audit(held_out, synthetic, seed=seed, permutations=permutations, on_progress=on_progress)
    save_report(report, folder)
    return report


def run_control(
    chain: Chain, held_out: Corpus, *, n: int, seed: int, on_progress: OnProgress | None = None
) -> Measurement:
    """The negative control: users that only recite their goal, before the same discriminator."""
    from understudy.conversations import Corpus
    from understudy.reports.audit import audit
    from understudy.rollouts.partners import open_partner
    from understudy.rollouts.simulate import simulate
    from understudy.users.opening import open_users

    people, partner = open_users(f"structured:{chain.train}"), open_partner(f"fitted:{chain.users}")
    talks = simulate(people, partner, n=n, seed=seed, on_progress=on_progress).conversations
    return audit(held_out, Corpus(talks), seed=seed, measures=["realism.discriminator"]).measurements[0]
