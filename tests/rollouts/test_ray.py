"""The engine ray against the engine local. Needs the extra `ray`: `pip install -e '.[ray]'`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

ray = pytest.importorskip("ray", reason="the extra ray is not installed")

from understudy.errors import SimulatorError, UsageError  # noqa: E402
from understudy.rollouts.export import export_journal  # noqa: E402
from understudy.rollouts.partners import function_partner  # noqa: E402
from understudy.rollouts.run import Plan, complete, open_journal  # noqa: E402
from understudy.users import Goal  # noqa: E402
from understudy.users.structured import StructuredPopulation  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")
HERE = Path(__file__).parents[2]
PARTNER = "tests.rollouts.ray_partners:{}"


@pytest.fixture(scope="module", autouse=True)
def cluster():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        object_store_memory=100 << 20,
        runtime_env={"env_vars": {"PYTHONPATH": path}},
    )
    yield
    ray.shutdown()


@pytest.fixture
def goals(tmp_path):
    file = tmp_path / "goals.jsonl"
    goal = [Goal(f"topic {i}", tuple((f"a{j}", f"v{i}") for j in range(1 + i % 4))) for i in range(11)]
    file.write_bytes(b"\n".join(msgspec.json.encode(one) for one in goal))
    return f"structured:{file}"


def written(folder, plan, *, resume=False):
    folder.mkdir(exist_ok=True)
    here = plan._replace(engine="local", workers=1)
    with open_journal(here, here.job(), folder / "j", resume=resume) as journal:
        complete(plan, here.job(), journal)
        export_journal(journal, folder / "out.jsonl")
        outcomes = journal.outcomes
    assert not list(folder.glob("j.worker-*"))
    return (folder / "out.jsonl").read_bytes(), outcomes


def test_placement_changes_no_byte(tmp_path, goals):
    plan = Plan(goals, PARTNER.format("waiting") + "+slow", 60, 4, concurrency=8)
    local, _ = written(tmp_path / "local", plan)
    one, _ = written(tmp_path / "one", plan._replace(engine="ray"))
    three, _ = written(tmp_path / "three", plan._replace(engine="ray", workers=3, concurrency=16))
    assert local == one == three
    assert local.count(b"\n") == 60


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_loses_and_doubles_nothing(tmp_path, goals, workers, monkeypatch):
    plan = Plan(goals, PARTNER.format("dying"), 60, 4, concurrency=8, workers=workers, engine="ray")
    monkeypatch.chdir(tmp_path)
    made, outcomes = written(tmp_path / "ray", plan)
    assert (tmp_path / "died").exists()
    assert outcomes == {"accepted": 60}
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) - len(set(calls)) <= plan.concurrency
    local, _ = written(tmp_path / "local", plan._replace(engine="local", workers=1))
    assert made == local


def test_a_killed_run_goes_on_on_either_engine(tmp_path, goals):
    plan = Plan(goals, PARTNER.format("waiting"), 400, 4, concurrency=8, workers=2, engine="ray")
    code = (
        "import sys; sys.path.insert(0, '.'); from pathlib import Path; from tests.rollouts.test_ray import *;"
        f"written(Path({str(tmp_path)!r}, 'killed'), Plan(*{tuple(plan)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=HERE, env={**os.environ, "RAY_ADDRESS": ""})
    for _ in range(600):
        leftovers = [f for f in (tmp_path / "killed").glob("j.worker-*-wal") if f.stat().st_size > 100_000]
        if leftovers or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert leftovers, "the run ended before it could be killed"
    time.sleep(2)
    resumed, outcomes = written(tmp_path / "killed", plan._replace(engine="local", workers=1), resume=True)
    assert outcomes == {"accepted": 400}
    assert resumed == written(tmp_path / "whole", plan._replace(engine="local", workers=1))[0]


def test_workers_that_keep_dying_end_the_run(tmp_path, goals):
    plan = Plan(goals, PARTNER.format("deadly"), 10, 4, concurrency=2, engine="ray")
    with pytest.raises(SimulatorError, match="died one after the other"):
        written(tmp_path / "x", plan)


def test_objects_are_refused(tmp_path):
    plan = Plan(StructuredPopulation([Goal("a")]), function_partner(len), 2, 0, engine="ray")
    with pytest.raises(UsageError, match="objects"):
        written(tmp_path / "x", plan)
