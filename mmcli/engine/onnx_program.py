"""The predictor of a trained graph as a model of ONNX, from its jaxpr.

Whatever does not depend on the items is computed here, by jax, and becomes a constant: the linear algebra on
parameters among it. What is left are few operations, and loops of a fixed number of steps.

B items in a batch.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var
from jax.interpreters.partial_eval import dce_jaxpr

from mmcli.engine.devices import own_settings
from mmcli.engine.exported import PredictorProgram
from mmcli.engine.onnx_graph import Form, OnnxGraph, Value
from mmcli.engine.onnx_operators import OPERATIONS, UnknownOperationError, ints, kind
from mmcli.errors import UsageError
from mmcli.util.text import listed

ITEMS = "items"  # the free dimension
UNROLLED = 64  # steps of a loop, at most, that are written one after the other
_CALLS = {"jit": "jaxpr", "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr"}


@own_settings()
def to_onnx(program: PredictorProgram) -> bytes:
    """Serialise a predictor as a model of any number of items, which it goes through B at a time.

    Raises:
        UsageError: it computes something that is not written as ONNX, or a sense and a module have one name.
    """
    traced, shapes = jax.make_jaxpr(program.predict, return_shape=True)(program.arguments)
    if shared := sorted(program.arguments.keys() & shapes):
        what = f"{listed(shared)}: the name of a sense and of a module, where ONNX has one name for one tensor"
        raise UsageError(f"{what}; export it --to stablehlo")
    lean, _ = dce_jaxpr(traced.jaxpr, [True] * len(traced.out_avals), instantiate=True)
    graph = OnnxGraph()
    senses = sorted(program.arguments)  # the order in which jax takes a dict apart
    batches, num_batches, num_items = _batches(graph, program)

    def batch(body: OnnxGraph, number: Value, _: Sequence[Value]) -> Sequence[Value]:
        rows: list[Value] = [body.add("Gather", batches[sense], number, axis=0) for sense in senses]
        return _results(body, ClosedJaxpr(lean, traced.consts), rows)

    forms = [Form(one.dtype, one.shape) for one in traced.out_avals]
    found = graph.loop(num_batches, [], forms, batch)
    outputs = {}
    for module, blocks in zip(sorted(shapes), found, strict=True):
        rows = graph.add("Reshape", blocks, ints(-1, *shapes[module].shape[1:]))
        of_all = Form(shapes[module].dtype, (ITEMS, *shapes[module].shape[1:]))
        outputs[module] = graph.add("Slice", rows, ints(0), num_items, ints(0)), of_all
    inputs = {sense: Form(one.dtype, (ITEMS, *one.shape[1:])) for sense, one in program.arguments.items()}
    return bytes(graph.model(inputs, outputs, "mmcli").SerializeToString())


def _batches(graph: OnnxGraph, program: PredictorProgram) -> tuple[dict[str, str], str, str]:
    """Rows of each sense in batches, (batches, B, D), the last one filled up by missing ones; their number (); N, (1,).

    Where the senses differ in their number of rows, the reshape to that of the first one fails.
    """
    batches: dict[str, str] = {}
    num_items = num_missing = ""
    for sense, argument in program.arguments.items():
        size, width = argument.shape
        if not num_items:
            num_items = graph.add("Shape", sense, start=0, end=1)
            num_missing = graph.add("Mod", graph.add("Neg", num_items), ints(size))  # -N mod B
        rows = graph.add("Reshape", sense, graph.add("Concat", num_items, ints(width), axis=0))
        padding = graph.add("Concat", ints(0, 0), num_missing, ints(0), axis=0)
        filled = graph.add("Pad", rows, padding, np.array(np.nan, argument.dtype))
        batches[sense] = graph.add("Reshape", filled, ints(-1, size, width))
    number = graph.add("Gather", graph.add("Shape", next(iter(batches.values()))), np.array(0), axis=0)
    return batches, number, num_items


def _results(graph: OnnxGraph, closed: ClosedJaxpr, arguments: Sequence[Value]) -> list[Value]:
    """Append the equations of a jaxpr; the values of its results."""
    jaxpr: Jaxpr = closed.jaxpr
    values: dict[Var, Value] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    values |= dict(zip(jaxpr.invars, arguments, strict=True))

    def value(variable: Var | Literal) -> Value:
        return np.asarray(variable.val, kind(variable).dtype) if isinstance(variable, Literal) else values[variable]

    for equation in jaxpr.eqns:
        results = _applied(graph, equation, [value(variable) for variable in equation.invars])
        values |= dict(zip(equation.outvars, results, strict=True))
    return [value(variable) for variable in jaxpr.outvars]


def _applied(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> Sequence[Value]:
    """Append an equation, or compute it where no argument is a tensor; the values of its results.

    Raises:
        UsageError: its operation has no counterpart.
    """
    primitive, params = equation.primitive, equation.params
    if primitive.name in _CALLS:
        return _results(graph, _closed(params[_CALLS[primitive.name]]), values)
    if not any(isinstance(value, str) for value in values):
        results: Any = primitive.bind(*values, **params)
        return list(results) if primitive.multiple_results else [results]
    try:
        operation = _loop if primitive.name == "scan" else OPERATIONS[primitive.name]
        return operation(graph, equation, values)
    except (KeyError, UnknownOperationError):
        what = f"the program of this model computes `{primitive.name}`, which mmcli does not write as ONNX"
        raise UsageError(f"{what}; export it --to stablehlo") from None


def _loop(graph: OnnxGraph, equation: JaxprEqn, values: list[Value]) -> list[Value]:
    """Append a scan as a loop, or step by step where it goes through constants: each step then has its own."""
    params = equation.params
    if params["reverse"]:
        raise UnknownOperationError
    length, closed = params["length"], params["jaxpr"]
    first, last = params["num_consts"], params["num_consts"] + params["num_carry"]
    constants, carried, rows = values[:first], values[first:last], values[last:]

    def step(body: OnnxGraph, number: Value, states: Sequence[Value]) -> list[Value]:
        return _results(body, closed, [*constants, *states, *(_row(body, row, number) for row in rows)])

    if length > UNROLLED or all(isinstance(row, str) for row in rows):
        forms = [Form(one.dtype, one.shape) for one in closed.out_avals]
        return [*graph.loop(np.array(length), carried, forms, step)]
    collected: list[list[Value]] = []
    for number in range(length):
        results = step(graph, np.array(number), carried)
        carried = results[: len(carried)]
        collected.append([graph.add("Unsqueeze", one, ints(0)) for one in results[len(carried) :]])
    return [*carried, *(graph.add("Concat", *parts, axis=0) for parts in zip(*collected, strict=True))]


def _row(graph: OnnxGraph, rows: Value, number: Value) -> Value:
    if isinstance(rows, str) or isinstance(number, str):
        return graph.add("Gather", rows, number, axis=0)
    return rows[int(number)]


def _closed(jaxpr: Jaxpr | ClosedJaxpr) -> ClosedJaxpr:
    return jaxpr if isinstance(jaxpr, ClosedJaxpr) else ClosedJaxpr(jaxpr, [])
