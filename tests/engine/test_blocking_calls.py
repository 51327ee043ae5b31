"""No program of ours has two calls side by side that each wait for threads of one pool: they may wait for ever.

XLA runs what does not depend on each other at the same time, on as many threads as there are. A LAPACK call over
several matrices keeps its thread and hands matrices out to the others; where another such call keeps the last thread,
both wait. Programs are read as they were compiled, so that what the compiler drops or reorders counts.
"""

import os
import subprocess
import sys
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hlo import num_blocking, unordered

MODEL = """\
rounds: 1
data:
  here: {file: x.npz, key: points}
  words: {file: x.npz, key: words}
modules:
  seen:  {type: observation, data: here}
  said:  {type: observation, data: words}
  vae:   {type: vae, inputs: [seen], latent_dim: 3, hidden_dim: 4, epochs: 2, likelihood: gaussian}
  near:  {type: gmm, inputs: [vae], num_classes: 3, covariance: full, sweeps: 2, chains: 2}
  far:   {type: gmm, inputs: [seen], num_classes: 3, covariance: full, sweeps: 2, chains: 2}
  topic: {type: mlda, inputs: [said, near, far], num_classes: 3, sweeps: 2, anneal_sweeps: 2, restarts: 2}
"""


@pytest.fixture
def optimized():
    """Compiled as for users; other tests do without most of it."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield lambda function, *shapes: jax.jit(function).lower(*map(jnp.zeros, shapes)).compile().as_text()
    jax.config.update("jax_disable_most_optimizations", True)


MATRICES = (4, 8, 8)


def side_by_side(a):
    return jnp.linalg.cholesky(a) + jnp.linalg.cholesky(a + 1)


def one_after_the_other(a):
    return jnp.linalg.cholesky(jnp.linalg.cholesky(a) + 1)


def in_two_loops(a):
    def loop(start):
        return jax.lax.fori_loop(0, 9, lambda _, a: jnp.linalg.cholesky(a), start)

    return loop(a) + loop(a + 1)


def where_the_first_will_not_do(a):
    first = jnp.linalg.cholesky(a)
    return jax.lax.cond(jnp.isfinite(first).all(), lambda: first, lambda: jnp.linalg.cholesky(a + 1))


def held_back_by_a_barrier_alone(a):
    first, again = jax.lax.optimization_barrier((jnp.linalg.cholesky(a), a))
    return first + jnp.linalg.cholesky(again + 1)


@pytest.mark.parametrize(
    ("function", "num_calls", "num_pairs"),
    [
        (side_by_side, 2, 1),
        (one_after_the_other, 2, 0),
        (in_two_loops, 2, 1),
        (where_the_first_will_not_do, 2, 0),
        (held_back_by_a_barrier_alone, 2, 1),  # XLA drops it before it compiles for a CPU
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_can_run_at_the_same_time_is_found(optimized, function, num_calls, num_pairs):
    program = optimized(function, MATRICES)

    assert (num_blocking(program), len(unordered(program))) == (num_calls, num_pairs)


@pytest.mark.slow
def test_every_program_of_a_run_and_of_what_is_asked_of_it(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    points, words = rng.normal(labels[:, None], 0.1, (30, 5)), rng.poisson(1 + np.eye(3)[labels] * 9)
    np.savez(tmp_path / "x.npz", points=points, words=words)
    (tmp_path / "model.yaml").write_text(MODEL)
    ask = (
        "import sys\n"
        "from mmcli.cli.main import cli\n"
        "for line in ('train model.yaml -o run', 'generate run --to here --sample -o here.npz',"
        " 'generate run --to words --from here -o words.npz', 'evaluate run --data x.npz'):\n"
        "    cli.main(line.split(), standalone_mode=False)\n"
    )
    environment = os.environ | {
        # LLVM comes after the programs that are looked at, and its optimizations would be a third of the time.
        "XLA_FLAGS": f"--xla_dump_to={tmp_path / 'programs'} --xla_dump_hlo_as_text --xla_backend_optimization_level=0",
        "JAX_ENABLE_COMPILATION_CACHE": "0",
    }

    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "programs").glob("*.cpu_after_optimizations.txt"))
    programs = {path.name: path.read_text() for path in files}
    # module_0123.jit_end.cpu_after_optimizations.txt: one of each module, and of prediction one for the whole graph.
    names = Counter(path.name.split(".")[1] for path in files)
    assert {name: names[name] for name in ("jit_begin", "jit_advance", "jit_end")} == dict.fromkeys(
        ("jit_begin", "jit_advance", "jit_end"), 7
    )  # of four modules, and of three of them in the finer graph of the search
    assert names["jit__infer_all"] > 0
    assert names["jit__sample_module"] == 4
    # Of each gmm the Choleskys of advance and end, and the triangular solves.
    assert sum(map(num_blocking, programs.values())) > 8
    assert {name: pairs for name, program in programs.items() if (pairs := unordered(program))} == {}
