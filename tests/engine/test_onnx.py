"""Functions of jax as models of ONNX: onnxruntime gives equal numbers, whatever the number of items."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import digamma

from mmcli.engine.exported import PredictorProgram
from mmcli.errors import UsageError
from mmcli.modules.vae.networks import Kernel, as_images, as_rows, convolved, transposed

pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
to_onnx = pytest.importorskip("mmcli.engine.onnx_program").to_onnx

SIZE, WIDTH = 4, 3  # items of a batch, columns
ROWS = np.random.default_rng(0).gamma(1.0, 1.0, (11, WIDTH)).astype(np.float32)
TABLE = np.arange(20, dtype=np.float32).reshape(5, 4)
FACTORS = np.tril(np.random.default_rng(1).normal(size=(2, WIDTH, WIDTH)) + 3 * np.eye(WIDTH)).astype(np.float32)


def program_of(function):
    rows = jax.ShapeDtypeStruct((SIZE, WIDTH), jnp.float32)
    return PredictorProgram(lambda given: {"found": function(given["rows"])}, {"rows": rows})


def solved(rows):
    """Sum over classes of |L^-1 x|^2, each class with a matrix of its own."""

    def add(total, factor):
        inverse = solve_triangular(factor, jnp.eye(WIDTH), lower=True)  # of constants alone: no operator of ONNX
        return total + jnp.square(rows @ inverse.T).sum(-1), rows.sum(-1) * factor[0, 0]

    total, each = jax.lax.scan(add, jnp.zeros(len(rows)), FACTORS)
    return jnp.concatenate([total[:, None], each.T], axis=1)


def looped(rows):
    """Loops in loops, over rows that are not constant; no item looks at another."""

    def sweep(_, shares):
        halves = jnp.pad(shares, ((0, 2), (0, 0))).reshape(3, 2, WIDTH)
        steps, halves = jax.lax.scan(lambda step, half: (step + 1.0, half / (step + half)), 1.0, halves)
        return rows * halves.reshape(6, WIDTH)[:SIZE] + steps

    return jax.lax.fori_loop(0, 5, sweep, rows)


def convolved_and_back(rows):
    """Convolutions of images of 1 x 3 pixels, with numbers of an item alone, and their transposes."""
    kernel = Kernel(np.random.default_rng(2).normal(size=(16, 2)).astype(np.float32), np.ones(2, np.float32))
    images = convolved(as_images(rows, 1, WIDTH), kernel)
    return as_rows(transposed(jax.nn.relu(images), kernel._replace(bias=np.ones(1, np.float32)), (1, WIDTH)))


@pytest.mark.parametrize(
    "function",
    [
        digamma,
        lambda rows: jnp.asarray(TABLE)[(rows * 2).argmax(1)],
        lambda rows: jnp.einsum("nd,kde->nke", rows, FACTORS).reshape(SIZE, -1),
        lambda rows: jnp.einsum("nd,ne->nde", rows, rows).sum(-1),
        lambda rows: jnp.where((rows > 1).any(1, keepdims=True), jax.nn.log_softmax(rows), jax.nn.sigmoid(rows**3)),
        lambda rows: jnp.where(jnp.isnan(rows).all(1)[:, None], 0, jnp.maximum(rows, 1) - rows.min(1, keepdims=True)),
        lambda rows: jnp.stack([*jnp.split(rows, WIDTH, axis=1)], axis=2)[:, 0, ::2],
        solved,
        looped,
        convolved_and_back,
    ],
)
def test_numbers_are_equal_elsewhere(function):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    session = runtime.InferenceSession(to_onnx(program_of(function)), providers=["CPUExecutionProvider"])

    for num_items in (1, SIZE, len(ROWS)):
        (found,) = session.run(None, {"rows": ROWS[:num_items]})

        filled = np.concatenate([ROWS[:num_items], np.ones((SIZE, WIDTH), np.float32)])
        parts = [np.asarray(function(jnp.asarray(filled[first : first + SIZE]))) for first in range(0, num_items, SIZE)]
        np.testing.assert_allclose(found, np.concatenate(parts)[:num_items], rtol=2e-6, atol=2e-6)


def test_digamma_keeps_its_digits():
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    special = pytest.importorskip("scipy.special")
    session = runtime.InferenceSession(to_onnx(program_of(digamma)), providers=["CPUExecutionProvider"])
    rows = np.geomspace(1e-6, 1e6, 3000, dtype=np.float32).reshape(-1, WIDTH)

    (found,) = session.run(None, {"rows": rows})

    np.testing.assert_allclose(found, special.digamma(rows.astype(np.float64)), rtol=5e-7, atol=1e-6)


def test_rows_of_a_constant_that_are_equal_are_kept_once():
    def shifted(rows):
        return rows @ jnp.ones((WIDTH, 2000)) + jnp.zeros((SIZE, 2000))

    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    content = to_onnx(program_of(shifted))
    (found,) = runtime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"rows": ROWS})

    assert len(content) < 20_000  # bytes; the two constants have 56,000
    np.testing.assert_allclose(found, np.broadcast_to(ROWS.sum(1, keepdims=True), (len(ROWS), 2000)), rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda rows: jnp.sort(rows, axis=1), "sort"),
        (lambda rows: jax.lax.scan(lambda x, row: (x + row, x), rows[0], rows, reverse=True)[1], "scan"),
        (lambda rows: jnp.asarray(TABLE)[rows.astype(int), 0], "gather"),
    ],
)
def test_an_operation_that_onnx_lacks_is_named(function, name):
    with pytest.raises(UsageError) as raised:
        to_onnx(program_of(function))

    what = f"the program of this model computes `{name}`, which mmcli does not write as ONNX"
    assert str(raised.value) == f"{what}; export it --to stablehlo"


def test_a_name_of_a_sense_and_of_a_module_is_refused():
    rows = jax.ShapeDtypeStruct((SIZE, WIDTH), jnp.float32)

    with pytest.raises(UsageError) as raised:
        to_onnx(PredictorProgram(lambda given: {"gmm": given["gmm"] + 1}, {"gmm": rows}))

    what = "gmm: the name of a sense and of a module, where ONNX has one name for one tensor"
    assert str(raised.value) == f"{what}; export it --to stablehlo"
