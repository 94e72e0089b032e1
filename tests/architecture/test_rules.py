"""Each rule can fail: a bad snippet a rule, and a good one beside it."""

from __future__ import annotations

import pytest

from tests.architecture import rules

BAD = [
    (rules.one_way_imports, "conversations.x", "from understudy.measures import measurement"),
    (rules.one_way_imports, "measures.x", "from understudy.users import Profile"),
    (rules.one_way_imports, "measures.x", "def f():\n    import understudy.rollouts.simulate"),
    (rules.one_way_imports, "measures.x", "from understudy.models.openai import Endpoint"),
    (rules.one_way_imports, "models.x", "from understudy.measures.intervals import Interval"),
    (rules.one_way_imports, "users.x", "from understudy import cli"),
    (rules.one_way_imports, "users.x", "from .profile import Profile"),
    (rules.one_way_imports, "errors", "from understudy.conversations import Turn"),
    (rules.sizes, "users.x", "x = 1\n" * 401),
    (rules.sizes, "users.x", "def f():\n" + "    x = 1\n" * 61),
    (rules.no_hidden_code, "users.x", "import pickle"),
    (rules.no_hidden_code, "users.x", "from joblib import load"),
    (rules.no_hidden_code, "users.x", "eval('1')"),
    (rules.no_hidden_code, "users.x", "exec(code)"),
    (rules.no_hidden_code, "users.x", "torch.load(path)"),
    (rules.no_hidden_code, "users.x", "np.load(path, allow_pickle=True)"),
    (rules.no_global_randomness, "users.x", "import random"),
    (rules.no_global_randomness, "users.x", "from random import choice"),
    (rules.no_global_randomness, "users.x", "np.random.seed(0)"),
    (rules.no_global_randomness, "users.x", "np.random.rand(3)"),
    (rules.no_global_randomness, "users.x", "from numpy.random import rand"),
    (rules.no_global_randomness, "users.x", "rng = np.random.default_rng()"),
    (rules.no_global_randomness, "users.x", "secrets.choice(names)"),
    (rules.no_swallowed_errors, "users.x", "try:\n    f()\nexcept Exception:\n    pass"),
    (rules.no_swallowed_errors, "users.x", "try:\n    f()\nexcept:\n    y = None"),
    (
        rules.no_swallowed_errors,
        "users.x",
        "def g():\n    try:\n        f()\n    except Exception as e:\n        note(e)\n        return 0.5",
    ),
    (
        rules.no_swallowed_errors,
        "users.x",
        "def g():\n    try:\n        f()\n    except (OSError, Exception) as e:\n        h(e)\n        return -1",
    ),
    (rules.light_imports, "users.x", "import polars as pl"),
    (rules.light_imports, "users.x", "from scipy import stats"),
    (rules.light_imports, "measures.x", "from scipy.sparse import csr_matrix"),
    (rules.light_imports, "reports.x", "from rich.table import Table"),
    (rules.light_imports, "cli.x", "import torch"),
    (rules.light_imports, "users.x", "class A:\n    import sklearn"),
    (rules.light_imports, "users.x", "try:\n    import torch\nexcept ImportError:\n    torch = None"),
    (rules.quiet_rooms, "users.x", "print('hi')"),
    (rules.quiet_rooms, "measures.x", "os.environ['A']"),
    (rules.quiet_rooms, "measures.x", "os.getenv('A')"),
    (rules.quiet_rooms, "reports.x", "logging.basicConfig()"),
    (rules.quiet_rooms, "reports.x", "sys.stderr.write('x')"),
    (rules.documented, "users.x", "x = 1"),
    (rules.documented, "users.x", '"""Doc."""\ndef f():\n    return 1'),
    (rules.documented, "users.x", '"""Doc."""\nclass A:\n    x = 1'),
    (rules.contracts, "measures.x", '@measure(SPEC)\ndef f(real, synthetic):\n    """How far? doi:10/1."""'),
    (rules.contracts, "measures.x", '@measure(SPEC)\ndef f(real, synthetic):\n    """`a - b`."""'),
]

GOOD = [
    (
        rules.one_way_imports,
        "users.x",
        "from understudy.measures import style\nfrom understudy.errors import UsageError",
    ),
    (rules.one_way_imports, "measures.x", "from understudy.models.judge import Judge"),
    (rules.one_way_imports, "cli.x", "from understudy.reports import audit"),
    (rules.sizes, "users.x", "def f():\n" + "    x = 1\n" * 59),
    (rules.sizes, "users.x", 'def f():\n    """A contract.\n' + "\n    more\n" * 60 + '    """\n    return 1'),
    (rules.no_hidden_code, "users.x", "np.load(path, allow_pickle=False)"),
    (rules.no_global_randomness, "users.x", "np.random.default_rng(3).permutation(2)\nrng: np.random.Generator"),
    (rules.no_swallowed_errors, "users.x", "try:\n    f()\nexcept Exception as e:\n    faults.append(e)"),
    (rules.no_swallowed_errors, "users.x", "try:\n    f()\nexcept Exception as e:\n    raise Fault() from e"),
    (rules.no_swallowed_errors, "users.x", "try:\n    f()\nexcept ValueError:\n    x = 0"),
    (rules.light_imports, "users.x", "if TYPE_CHECKING:\n    import polars\ndef f():\n    import sklearn"),
    (rules.light_imports, "measures.x", "from scipy import stats"),
    (rules.light_imports, "cli.x", "import typer"),
    (rules.quiet_rooms, "cli.x", "print(os.environ)"),
    (rules.documented, "users.x", '"""Doc."""\ndef _f():\n    return 1'),
    (
        rules.contracts,
        "measures.x",
        '@measure(SPEC)\ndef f(real, synthetic):\n    """`a - b`. Source: Kish (1965)."""',
    ),
]


def _named(cases: list) -> list:
    return [pytest.param(*case, id=f"{case[0].__name__}-{number}") for number, case in enumerate(cases)]


@pytest.mark.parametrize(("rule", "module", "text"), _named(BAD))
def test_a_rule_sees_the_fault(rule, module: str, text: str) -> None:
    assert list(rule(rules.parse(text, f"understudy.{module}")))


@pytest.mark.parametrize(("rule", "module", "text"), _named(GOOD))
def test_a_rule_leaves_the_rest_alone(rule, module: str, text: str) -> None:
    assert not list(rule(rules.parse(text, f"understudy.{module}")))


def test_every_rule_has_a_bad_snippet() -> None:
    assert {rule for rule, _, _ in BAD} == set(rules.RULES)
