"""Operations of jax in operators of ONNX.

An operation takes a graph, the equation of the jaxpr, and the values of its arguments, at least one of them a tensor.
"""

from collections.abc import Callable, Sequence
from functools import partial
from string import ascii_lowercase
from typing import TypeAlias, cast

import numpy as np
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import JaxprEqn, Literal, Var

from mmcli.engine.onnx_graph import OnnxGraph, Value, element_type

Operation: TypeAlias = Callable[[OnnxGraph, JaxprEqn, list[Value]], Sequence[Value]]

SHIFT = 6  # digamma(x + 6) by its series, whose first term left out is below 3e-9


class UnknownOperationError(Exception):
    """An operation that has no counterpart here."""


def ints(*numbers: int) -> np.ndarray:
    """Numbers as shapes and axes are given."""
    return np.array(numbers, np.int64)


def kind(variable: Var | Literal) -> ShapedArray:
    """Type and shape of a variable of a jaxpr."""
    return cast(ShapedArray, variable.aval)


def _same(operator: str, graph: OnnxGraph, _: JaxprEqn, values: list[Value]) -> list[Value]:
    """The operator with the same arguments and the same meaning."""
    return [graph.add(operator, *values)]


def _unchanged(_graph: OnnxGraph, _: JaxprEqn, values: list[Value]) -> list[Value]:
    return values


def _not_equal(graph: OnnxGraph, _: JaxprEqn, values: list[Value]) -> list[Value]:
    return [graph.add("Not", graph.add("Equal", *values))]


def _square(graph: OnnxGraph, _: JaxprEqn, values: list[Value]) -> list[Value]:
    return [graph.add("Mul", values[0], values[0])]


def _integer_power(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    return [graph.add("Pow", values[0], np.array(equation.params["y"], kind(equation.invars[0]).dtype))]


def _digamma(graph: OnnxGraph, _: JaxprEqn, values: list[Value]) -> list[Value]:
    """Digamma of positive float32; NaN of others.

    Source: Abramowitz and Stegun (1964), 6.3.6 and 6.3.18.
    """

    def number(value: float) -> np.ndarray:
        return np.array(value, np.float32)

    (x,) = values
    shifted = graph.add("Add", x, number(SHIFT))
    inverse = graph.add("Reciprocal", shifted)
    square = graph.add("Mul", inverse, inverse)
    series: Value = number(-1 / 252)
    for coefficient in (1 / 120, -1 / 12):
        series = graph.add("Add", number(coefficient), graph.add("Mul", square, series))
    terms = [graph.add("Log", shifted), graph.add("Mul", inverse, number(-0.5)), graph.add("Mul", square, series)]
    terms += [
        graph.add("Neg", graph.add("Reciprocal", graph.add("Add", x, number(step)))) for step in reversed(range(SHIFT))
    ]
    positive = graph.add("Greater", x, number(0))
    return [graph.add("Where", positive, graph.add("Sum", *terms), number(np.nan))]


def _select(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    if len(values) != 3 or kind(equation.invars[0]).dtype != np.bool_:
        raise UnknownOperationError
    which, of_false, of_true = values
    return [graph.add("Where", which, of_true, of_false)]


def _cast(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    return [graph.add("Cast", values[0], to=element_type(equation.params["new_dtype"]))]


def _argmax(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    (axis,) = equation.params["axes"]
    place = graph.add("ArgMax", values[0], axis=axis, keepdims=0)
    return [graph.add("Cast", place, to=element_type(equation.params["index_dtype"]))]


def _reduce(operator: str, graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    return [graph.add(operator, values[0], ints(*equation.params["axes"]), keepdims=0)]


def _reduce_bool(operator: str, graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    whole = graph.add("Cast", values[0], to=element_type(np.int32))
    return [graph.add("Cast", *_reduce(operator, graph, equation, [whole]), to=element_type(np.bool_))]


def _reshape(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    return [graph.add("Reshape", values[0], ints(*kind(equation.outvars[0]).shape))]


def _broadcast(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    shape = kind(equation.outvars[0]).shape
    old = kind(equation.invars[0]).shape
    sizes = dict(zip(equation.params["broadcast_dimensions"], old, strict=True))
    ones = [sizes.get(axis, 1) for axis in range(len(shape))]
    return [graph.add("Expand", graph.add("Reshape", values[0], ints(*ones)), ints(*shape))]


def _transpose(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    return [graph.add("Transpose", values[0], perm=equation.params["permutation"])]


def _concatenate(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    return [graph.add("Concat", *values, axis=equation.params["dimension"])]


def _stack(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    axis = equation.params["axis"]
    return [graph.add("Concat", *(graph.add("Unsqueeze", value, ints(axis)) for value in values), axis=axis)]


def _split(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    sizes = equation.params["sizes"]
    return [*graph.add_many("Split", len(sizes), values[0], ints(*sizes), axis=equation.params["axis"])]


def _slice(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    first, last = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or [1] * len(first)
    return [graph.add("Slice", values[0], ints(*first), ints(*last), ints(*range(len(first))), ints(*steps))]


def _pad(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    before, after, between = zip(*equation.params["padding_config"], strict=True)
    if any(between):
        raise UnknownOperationError
    return [graph.add("Pad", values[0], ints(*before, *after), values[1])]


def _gather(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    """Rows of a table by their numbers, which jax knows to be inside."""
    table, numbers = (kind(variable) for variable in equation.invars)
    rest = tuple(range(numbers.ndim - 1, numbers.ndim - 2 + table.ndim))
    rows = lax.GatherDimensionNumbers(rest, (0,), (0,))
    whole = (1, *table.shape[1:])
    is_inside = equation.params["mode"] == lax.GatherScatterMode.PROMISE_IN_BOUNDS
    if (equation.params["dimension_numbers"], equation.params["slice_sizes"], is_inside) != (rows, whole, True):
        raise UnknownOperationError
    return [graph.add("Gather", values[0], graph.add("Squeeze", values[1], ints(-1)), axis=0)]


def _dot(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    """Products of matrices along any axes."""
    (summed, of_second), (batch, batch_of_second) = equation.params["dimension_numbers"]
    left, right = (kind(variable).ndim for variable in equation.invars)
    letters = iter(ascii_lowercase)
    first = [next(letters) for _ in range(left)]
    shared = dict(zip((*of_second, *batch_of_second), (first[axis] for axis in (*summed, *batch)), strict=True))
    second = [shared.get(axis) or next(letters) for axis in range(right)]
    free = [letter for axis, letter in enumerate(first) if axis not in (*summed, *batch)]
    free += [letter for axis, letter in enumerate(second) if axis not in shared]
    result = [first[axis] for axis in batch] + free
    if (first, second, result) == ([*"ab"], [*"bc"], [*"ac"]):
        return [graph.add("MatMul", *values)]
    return [graph.add("Einsum", *values, equation=f"{''.join(first)},{''.join(second)}->{''.join(result)}")]


_SAME = {
    "Abs": "abs",
    "Add": "add",
    "And": "and",
    "Div": "div",
    "Equal": "eq",
    "Erf": "erf",
    "Exp": "exp",
    "Greater": "gt",
    "GreaterOrEqual": "ge",
    "Less": "lt",
    "LessOrEqual": "le",
    "Log": "log",
    "Max": "max",
    "Min": "min",
    "Mul": "mul",
    "Neg": "neg",
    "Not": "not",
    "Or": "or",
    "Sigmoid": "logistic",
    "Sqrt": "sqrt",
    "Sub": "sub",
    "Tanh": "tanh",
}
OPERATIONS: dict[str, Operation] = {name: partial(_same, operator) for operator, name in _SAME.items()} | {
    "argmax": _argmax,
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "convert_element_type": _cast,
    "digamma": _digamma,
    "dot_general": _dot,
    "gather": _gather,
    "integer_pow": _integer_power,
    "ne": _not_equal,
    "pad": _pad,
    "reduce_and": partial(_reduce_bool, "ReduceMin"),
    "reduce_max": partial(_reduce, "ReduceMax"),
    "reduce_min": partial(_reduce, "ReduceMin"),
    "reduce_or": partial(_reduce_bool, "ReduceMax"),
    "reduce_sum": partial(_reduce, "ReduceSum"),
    "reshape": _reshape,
    "select_n": _select,
    "slice": _slice,
    "split": _split,
    "square": _square,
    "squeeze": _reshape,
    "stack": _stack,
    "stop_gradient": _unchanged,
    "transpose": _transpose,
}
