"""Whether simulated users were fitted to the very people whom they are held against."""

from __future__ import annotations

from collections.abc import Sequence

from understudy.conversations import Corpus

_DIGITS = 12  # of a corpus' digest, in the identity of what was fitted to it


def fitted_to(synthetic: Corpus, real: Corpus, *, side: str = "user") -> float:
    """What share of `synthetic` says that its users (or, with `side="partner"`, its partners) were fitted to `real`?

    Read from the provenance that `simulate` writes: who was fitted to a corpus carries the digest of it. Range 0-1.
    Only the corpus as a whole is known by its digest: users fitted to a part of it, or to more than it, are not seen.

    >>> from understudy.conversations import Conversation, Turn
    >>> real = Corpus([Conversation("r", (Turn("user", "hi"),))])
    >>> origin = {"simulator": f"fitted:guarded:{real.digest[:12]}:0", "partner": "none"}
    >>> made = Corpus([Conversation("s", (Turn("user", "hi"),), provenance=origin)])
    >>> fitted_to(made, real), fitted_to(made, real, side="partner")
    (1.0, 0.0)
    """
    mark = f":{real.digest[:_DIGITS]}"
    keys = ("partner",) if side == "partner" else ("users", "simulator")
    told = [[str(talk.provenance.get(key, "")) for key in keys] for talk in synthetic if talk.provenance is not None]
    return sum(any(mark in text for text in one) for one in told) / max(1, len(synthetic))


def contamination(synthetic: Corpus, real: Sequence[Corpus], *, partners: bool = True) -> str:
    """A sentence where `synthetic` was fitted to one of `real`, which is to test or to judge it; else none."""
    users = max((fitted_to(synthetic, one) for one in real), default=0.0)
    if users > 0:
        return (
            f"contaminated: {users:.0%} of the synthetic conversations are by users fitted to the very people that they"
            " are tested on; what is found holds for these people, not for others (divide with `understudy split`)"
        )
    others = max((fitted_to(synthetic, one, side="partner") for one in real), default=0.0) if partners else 0.0
    if others > 0:
        return (
            f"contaminated: in {others:.0%} of the synthetic conversations the partner was fitted to the very"
            " conversations that test; what it says there was there to learn (divide with `understudy split`)"
        )
    return ""
