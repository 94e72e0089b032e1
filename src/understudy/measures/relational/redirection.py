"""Do turns steer what the other says next, as among people?"""

from __future__ import annotations

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet
from understudy.measures.relational.scorer import fits

SPEC = MeasureSpec(
    name="relational.redirection",
    question="real",
    asks="Do the user's turns steer the partner's next turn as much as people's turns do?",
    unit="nats a turn, synthetic minus real; 0 = as people",
    range=(None, None),
    better="match",
    source="redirection, arXiv:2410.07147",
)


@measure(SPEC)
def redirection(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Do the user's turns steer the partner's next turn as much as people's turns do?

    `s(u_t, next) - s(u_(t-2), next)`: how much better the partner's next turn fits the user's turn just before it
    than the same user's turn before that, in log odds of the depth-1 scorer (`fits`). Value: synthetic minus real
    mean over the partner's replies. The part `partner` asks the same of the partner's turns and the user's replies.

    >>> from understudy.testing.relations import exchanges
    >>> real, torn = exchanges(60, seed=0), exchanges(60, seed=1, related=0.0)
    >>> m = redirection(real, torn, rng=np.random.default_rng(0), permutations=99)
    >>> partner = m.parts[0]  # here the user answers the partner, and the partner nobody
    >>> bool(abs(m.evidence["real"]) < 0.1), bool(partner.value < -1), partner.p_value
    (True, True, 0.01)

    Source: Nguyen et al. (2024), arXiv:2410.07147. Differences: (1) a linear scorer instead of a language model;
    (2) the turn between is not part of the context.
    """
    found = fits(real, synthetic)
    if isinstance(found, str):
        return unscored(SPEC, real, synthetic, found)
    t = found.threads
    sheet = Sheet(SPEC, real, synthetic)
    value = found.own[:, 0] - found.earlier
    for name, user in (("", False), ("partner", True)):
        says = (
            f"how much the {'partner' if user else 'user'}'s last turn, rather than the one before, fits what follows"
        )
        mine = np.where(t.by_user == user, value, np.nan)
        sheet.ratio(name, says, t.conversation, mine, unit="nats a turn", chance=0.0)
    return sheet.measured(rng, permutations, {})
