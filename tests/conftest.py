"""Strictness for all tests, and the model of `tiny` trained once."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import jax
import numpy as np
import pytest
import toys
from tiny import TINY, tiny_arrays

from mmcli.cli.main import main
from mmcli.config.graph import Graph
from mmcli.engine import schedule
from mmcli.engine.events import Progress, Update
from mmcli.engine.routing import RoundState
from mmcli.engine.saving import Moment
from mmcli.modules import registry
from mmcli.modules.spec import ModuleSpec
from mmcli.workflows import process

jax.config.update("jax_numpy_rank_promotion", "raise")
# In the background of a shell, or under nohup, the tests and all that they start would ignore these.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    signal.signal(number, handler)
# Compiling is most of what the tests do; runs in processes of their own compile as users' do.
jax.config.update("jax_disable_most_optimizations", True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest file, so that no process waits for it in the end."""
    items.sort(key=lambda item: item.path.name != "test_torture.py")


@pytest.fixture(scope="session", autouse=True)
def compile_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What was compiled is read from a folder the next time: one of this process, one of all that tests start.

    Each process of pytest has its own of the first: jax writes a program in place, and would warn of one half written.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    jax.config.update("jax_compilation_cache_dir", str(own / "compiled_here"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    variables = {
        "JAX_COMPILATION_CACHE_DIR": str(shared / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    with patch.dict(os.environ, variables):
        yield


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What mmcli keeps of files that it read goes where no later run of the tests finds it."""
    with patch.dict(os.environ, {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}):
        yield


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """A command that a test runs in this process removes variables that it refuses; later tests have them again."""
    with patch.dict(os.environ):
        yield


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleSpec], None]:
    """Make a module type known by its name, for one test."""

    def make_known(spec: ModuleSpec) -> None:
        monkeypatch.setattr(toys, f"SPEC_{spec.name}", spec, raising=False)
        monkeypatch.setitem(registry.BUILT_IN, spec.name, f"toys:SPEC_{spec.name}")

    return make_known


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


class Trained(NamedTuple):
    """A finished `mmcli train`, in a process of its own."""

    run: Path
    out: str
    err: str


@pytest.fixture
def tiny_config(tmp_path: Path) -> Path:
    """A config and its data, the test's own to change."""
    np.savez(tmp_path / "tiny.npz", **tiny_arrays())
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One real run of the tiny model for all tests that only read it."""
    folder = tmp_path_factory.mktemp("trained")
    np.savez(folder / "tiny.npz", **tiny_arrays())
    (folder / "tiny.yaml").write_text(TINY)
    done = subprocess.run(
        [sys.executable, "-m", "mmcli", "train", "tiny.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Trained(folder / done.stdout.splitlines()[-1], done.stdout, done.stderr)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Done]]:
    """Run a command line in this process, from the arguments to the exit code."""

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["mmcli", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            copy_context().run(main)  # what it sets for its process ends with it
        return Done(ended.value.code or 0, *capsys.readouterr())

    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("mmcli.cli.main.leave", sys.exit)  # it ends the process, where threads still compute
    monkeypatch.setenv("PJRT_NPROC", os.environ.get("PJRT_NPROC", "1"))  # `train` sets it: put it back afterwards
    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def train(command: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tiny_config: Path) -> Callable[..., Done]:
    """`mmcli train tiny.yaml ...` in the folder of the config, all but the learning: two modules give fixed classes.

    Two rounds; each class has 15 of one label and 5 of another, so that ACC is 0.75.
    """
    classes = np.repeat([2, 0, 0, 1, 1, 2], [15, 5, 15, 5, 15, 5])
    report = {"class": classes, "Pdz": np.eye(3, dtype=np.float32)[classes]}

    def give_classes(_graph: Graph, *_data: object, **options: Any) -> Iterator[Progress | Update]:
        saved, names = options["saved"], ("gmm", "mlda")
        for done in range(saved.updates if saved else 0, len(names) * options["rounds"]):
            number, name = done // len(names) + 1, names[done % len(names)]
            params = {"mu": np.full(3, done)}
            moment = Moment(RoundState({name: params}, {}, {}), done)
            yield Progress(number, name, 1, 1, moment._replace(iterations=1))
            after = moment._replace(updates=done + 1)
            yield Update(number, name, -1234.5, np.zeros(2), report, params, 0.25, 1.0, after)

    monkeypatch.chdir(tiny_config.parent)
    monkeypatch.setattr(schedule, "train_rounds", give_classes)
    monkeypatch.setattr(process, "has_jax_started", lambda: False)  # whatever other tests did in this process
    return lambda *options: command("train", "tiny.yaml", *options)
