"""A run that cannot fit in memory, or that cannot be counted in 32 bits, is refused before anything is computed."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from mmcli.engine.devices import memory_errors
from mmcli.engine.predictor import Predictor
from mmcli.errors import MemoryShortError
from mmcli.modules.api import Inputs, report
from mmcli.modules.counts import on_device
from mmcli.modules.messages import Counts, neutral
from mmcli.modules.packed import packed
from mmcli.modules.registry import build, find_spec, type_names
from mmcli.modules.spec import Kind, Load, ModuleSpec, Port
from mmcli.testing.examples import example_options
from mmcli.workflows import memory
from mmcli.workflows.memory import Limit, control_group_limits

FACTOR = 1.5


def compiled_bytes(
    spec: ModuleSpec, options, ports: tuple[Port, ...], num_items: int, rows: csr_array | np.ndarray | None
) -> int:
    """The most that a compiled function of a module takes: arguments, results, and what lies between.

    Packed rows, arrays of bytes, are left out: a run holds them once, and they are counted there.
    """
    module, key = build(spec, options, ports, "cavity"), jax.random.key(0, impl="rbg")
    parents = tuple(neutral(port, num_items) for port in ports)
    held = 0
    if isinstance(rows, np.ndarray):
        parents, held = (parents[0]._replace(values=packed(rows, 1)), *parents[1:]), rows.nbytes
    elif rows is not None:
        parents = (Counts(on_device(rows), jnp.ones(num_items)),)
    inputs = Inputs.of(parents, neutral(spec.output(options, ports), num_items))
    state = jax.eval_shape(module.init, key, inputs)
    work = jax.eval_shape(module.begin, key, state, inputs)

    def end(work, inputs):
        state, outputs, info = module.end(work, inputs)
        return state, outputs._replace(backward=()), info, report(module, state, outputs)

    compiled = [
        jax.jit(module.advance).lower(work, inputs, jnp.int32(0)).compile({"xla_backend_optimization_level": 3}),
        jax.jit(end).lower(work, inputs).compile(),
    ]
    analyses = [program.memory_analysis() for program in compiled]
    sizes = (each.argument_size_in_bytes + each.output_size_in_bytes + each.temp_size_in_bytes for each in analyses)
    return max(sizes) - held


@pytest.mark.slow
@pytest.mark.parametrize(
    ("type_name", "options", "kinds", "num_items", "widths"),
    [
        ("gmm", {"num_classes": 10, "covariance": "full"}, "p", 2000, [100]),
        ("gmm", {"num_classes": 20, "chains": 8}, "p", 20_000, [10]),
        ("gmm", {"num_classes": 10, "covariance": "full"}, "p", 2000, [240]),
        ("gmm", {"num_classes": 10}, "pp", 5000, [30, 20]),
        ("vae", {"latent_dim": 10}, "p", 5000, [400]),
        ("vae", {"latent_dim": 10, "hidden_dim": 2000}, "p", 1000, [400]),
        ("vae", {"latent_dim": 10, "encoder": {"type": "mlp", "hidden": (512, 256)}}, "p", 5000, [400]),
        (
            "vae",
            {"latent_dim": 10, "encoder": {"type": "conv", "channels": (16, 32), "shape": (28, 28)}},
            "p",
            2000,
            [784],
        ),
        ("vae", {"latent_dim": 10, "encoder": {"type": "conv", "channels": (64,), "shape": (20, 20)}}, "p", 200, [400]),
        ("mlda", {"num_classes": 20, "restarts": 12}, "cc", 20_000, [50, 70]),
        ("mlda", {"num_classes": 20, "restarts": 12}, "c", 300, [20_000]),
        ("mlda", {"num_classes": 10, "weights": (20.0, 20.0), "restarts": 2}, "ck", 5000, [500, 300]),
        ("mlda", {"num_classes": 20, "restarts": 2}, "s", 20_000, [5000]),
        ("mlda", {"num_classes": 10}, "bk", 40_000, [1000, 10]),
        ("vae", {"latent_dim": 10}, "b", 20_000, [400]),
        ("markov", {}, "k", 20_000, [10]),
        ("markov", {}, "k", 2000, [100]),
        ("mixture", {"num_classes": 10}, "pck", 5000, [20, 50, 10]),
        ("mixture", {"num_classes": {"max": 20}, "restarts": 4}, "p", 2000, [60]),
        ("mixture", {"num_classes": 10}, "c", 2000, [2000]),
        ("mixture", {"num_classes": 20, "restarts": 2}, "s", 20_000, [5000]),
        ("merge", {"how": "naming_game"}, "kk", 20_000, [10, 10]),
        ("merge", {"how": "product"}, "kkkk", 2000, [100, 100, 100, 100]),
    ],
)
def test_a_module_takes_about_what_is_reckoned(type_name, options, kinds, num_items, widths):
    of = {"p": Kind.POINTS, "c": Kind.COUNTS, "k": Kind.CATEGORICAL, "s": Kind.COUNTS}
    of["b"] = Kind.POINTS if type_name == "vae" else Kind.COUNTS
    ports = tuple(Port(of[kind], width) for kind, width in zip(kinds, widths, strict=True))
    rows = None
    if kinds == "s":
        rows = csr_array(random_array((num_items, *widths), density=0.01, format="csr", dtype=np.float32))
        rows.sort_indices()
    stored = tuple(num_items * width for width in widths) if rows is None else (rows.nnz,)
    if kinds.startswith("b"):
        rows = np.zeros((num_items, widths[0]), np.uint8)
    spec = find_spec(type_name)
    chosen = spec.options(**options)

    estimate = spec.memory(chosen, Load(num_items, tuple(widths), stored, tuple(kind == "b" for kind in kinds)))

    taken = compiled_bytes(spec, chosen, ports, num_items, rows)
    # Full covariances are most of what is reported and saved, which takes more than any program.
    more = 3 if options.get("covariance") == "full" else 1
    assert taken / FACTOR <= estimate <= taken * FACTOR * more, (estimate, taken)


def test_a_type_that_learns_can_be_reckoned():
    for spec in map(find_spec, type_names()):
        needed = spec.memory(example_options(spec), Load(10, (4,), (40,)))
        assert (needed > 0) == (not spec.is_source), spec.name


WIDE = """\
data: {points: {file: wide.npz, key: points}}
modules:
  p:   {type: observation, data: points}
  gmm: {type: gmm, inputs: [p], num_classes: 4, covariance: full}
"""
ROOM = "wide.yaml:4:3: modules.gmm: 200 items of 10,000 columns would take about 58."


@pytest.fixture
def wide(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.savez("wide.npz", points=np.zeros((200, 10_000), np.float32))
    Path("wide.yaml").write_text(WIDE)
    return Path("wide.yaml")


@pytest.mark.parametrize("command_name", ["check", "train"])
def test_a_gmm_of_many_columns_is_refused_where_it_cannot_fit(command_name, wide, command, monkeypatch):
    monkeypatch.setattr(memory, "limits", lambda: iter([Limit(64e9, "x has"), Limit(16e9, "this machine has")]))

    done = command(command_name, wide)

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(ROOM)
    assert " GB of memory, and this machine has 16.0 GB; give it fewer columns, by a vae between the" in done.err
    assert len(done.err.splitlines()) == 1
    assert not Path("runs").exists()


def test_where_there_is_room_it_is_sound(wide, command, monkeypatch):
    monkeypatch.setattr(memory, "limits", lambda: iter([Limit(64e9, "this machine has")]))

    assert command("check", wide).code == 0


def test_the_remedy_works(wide, command, monkeypatch):
    monkeypatch.setattr(memory, "limits", lambda: iter([Limit(4e9, "this machine has")]))
    reduced = "v: {type: vae, inputs: [p], latent_dim: 8}\n  gmm: {type: gmm, inputs: [v]"
    wide.write_text(WIDE.replace("gmm: {type: gmm, inputs: [p]", reduced))

    assert command("check", wide).code == 0


def test_a_limit_of_the_process_counts(wide):
    limited = (
        "import os, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (8_950_000_000, 8_950_000_000))\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'mmcli', 'check', sys.argv[1]])\n"
    )

    done = subprocess.run([sys.executable, "-c", limited, str(wide)], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith(ROOM)
    assert "and `ulimit -v` leaves 7.4 GB;" in done.stderr


def test_control_groups_of_both_versions_are_read(tmp_path):
    for name, text in {
        "memory.max": "max\n",
        "job/memory.max": "8000\n",
        "job/step/memory.max": "9000\n",
        "memory/slurm/memory.limit_in_bytes": "5000\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def read(*memberships: str) -> list[float]:
        return [limit.num_bytes for limit in control_group_limits(tmp_path, list(memberships))]

    assert read("0::/job/step") == [9000, 8000]
    assert read("0::/not/here/job") == []
    assert read("0::/") == []
    assert read("5:cpu,memory:/slurm", "4:cpuset:/job") == [5000, 9223372036854771712]


def test_every_limit_is_a_number_of_bytes_with_a_source():
    found = list(memory.limits())

    assert found
    assert all(limit.num_bytes > 1e8 and limit.source for limit in found)


@pytest.mark.parametrize(
    "error", [MemoryError("Unable to allocate 9 GiB"), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")]
)
def test_memory_that_runs_out_is_told_with_the_module(error):
    text = r"^module gmm, round 1: out of memory; fewer columns \(.*\)$"
    with pytest.raises(MemoryShortError, match=text), memory_errors("module gmm, round 1", "fewer columns"):
        raise error

    assert MemoryShortError.exit_code == 2


def test_another_error_of_jax_stays_what_it_is():
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"), memory_errors("module gmm", "fewer columns"):
        raise jax.errors.JaxRuntimeError("INTERNAL: a fault")


@pytest.mark.parametrize(
    "arguments", [["evaluate", "--data", "tiny.npz"], ["generate", "--to", "images", "--class", "0", "-o", "made.npz"]]
)
def test_memory_that_runs_out_in_a_prediction_is_told_with_its_items(arguments, trained, command, monkeypatch):
    # 64 TB, which no allocator gives.
    monkeypatch.setattr(Predictor, "_settle", lambda *_: jnp.zeros((2**22, 2**22)).block_until_ready())
    monkeypatch.chdir(trained.run.parents[1])
    name, *options = arguments

    done = command(name, trained.run, *options)

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("mmcli: error: prediction of items 0 to ")
    assert "(from 0): out of memory; free some, or use a machine with more (RESOURCE_EXHAUSTED" in done.err
    assert len(done.err.splitlines()) == 1


def test_memory_that_runs_out_elsewhere_is_one_line(wide, command, monkeypatch):
    def short(*_arguments: object, **_options: object) -> None:
        raise MemoryError("Unable to allocate 9 GiB")

    monkeypatch.setattr("mmcli.data.dataset.load_datasets", short)

    done = command("check", wide)

    assert done.code == 2
    assert done.err == (
        "mmcli: error: out of memory; give it less data, or ask for less at a time (Unable to allocate 9 GiB)\n"
    )


COUNTS = {
    "": ("rounds", "checkpoint_every"),
    "modules.vae.": ("latent_dim", "hidden_dim", "epochs", "batch_size"),
    "modules.gmm.": ("num_classes", "sweeps", "chains"),
    "modules.mlda.": ("num_classes", "sweeps", "anneal_sweeps", "restarts"),
}


@pytest.mark.parametrize("key", [f"{where}{name}" for where, names in COUNTS.items() for name in names])
def test_what_is_counted_in_32_bits_is_below_2_31(key, command, tiny_config):
    done = command("train", tiny_config, "--set", f"{key}={2**31}")

    assert done.code == 2
    assert done.err == f"--set {key}={2**31}: must be below 2^31, it is counted in 32 bits (got 2147483648)\n"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("modules.vae.learning_rate", "1.0e+39"),
        ("modules.gmm.prior_scale", "1.0e-50"),
        ("modules.gmm.message_weight", "1.0e+300"),
        ("modules.mlda.alpha", "1.0e-40"),
        ("modules.mlda.weights", "[20, 1.0e+39]"),
    ],
)
def test_numbers_are_those_that_float32_holds(key, value, command, tiny_config):
    done = command("train", tiny_config, "--set", f"{key}={value}")

    assert done.code == 2
    assert f"--set {key}=" in done.err
    assert "must be a number that float32 holds, 1.2e-38 to 3.4e+38 (got 1e" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("-n", 2**31), "Invalid value for '-n': 2147483648 is not in the range 1<=x<=2147483647."),
        (("-n", 2**31 - 1), "images: 2147483647 rows of 12 columns would fill 103.1 GB; make fewer at a time"),
    ],
)
def test_more_items_than_can_be_made_are_refused_before_they_are_counted_out(arguments, text, command, trained):
    done = command("generate", trained.run, "--to", "images", "--class", "0", "-o", "made.npz", *arguments)

    assert (done.code, done.err.startswith(f"mmcli: error: {text}")) == (2, True), done.err


def test_more_threads_than_a_machine_starts_are_refused(command, tiny_config):
    done = command("train", tiny_config, "--threads", 1025)

    assert (done.code, "1025 is not in the range 1<=x<=1024" in done.err) == (2, True)
