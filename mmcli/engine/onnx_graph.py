"""A graph of ONNX under construction: operators in order, each constant once, loops."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jax import Array
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

OPSET, IR_VERSION = 18, 8  # read by onnxruntime from 1.15 on
MANY = 1000  # elements of a constant, from which on equal rows are kept once

Value: TypeAlias = Array | np.ndarray | str  # a constant, or the name of a tensor


class Form(NamedTuple):
    """Type and shape of a tensor; a dimension with a name is free."""

    dtype: Any
    shape: tuple[int | str, ...]


class OnnxGraph:
    """Operators of one graph. The body of a loop is a graph of its own, which reads the tensors around it too."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], TensorProto] = {}
        self._numbers: Iterator[int] = count()

    def body(self) -> "OnnxGraph":
        """An empty graph inside of this one, for the body of a loop."""
        inside = OnnxGraph()
        inside._constants, inside._numbers = self._constants, self._numbers
        return inside

    def name(self, value: Value) -> str:
        """Name of a value; a constant becomes a tensor of the model."""
        if isinstance(value, str):
            return value
        array = np.asarray(value)
        if array.size > MANY and len(array) > 1 and (array == array[:1]).all():  # of a batch: the file has one row
            return self.add("Expand", array[:1], np.array(array.shape, np.int64))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, self.new_name())
        return str(self._constants[key].name)

    def new_name(self) -> str:
        """Name that no tensor of the model has yet; names of senses and modules have no such sign."""
        return f"%{next(self._numbers)}"

    def add(self, operator: str, *inputs: Value, **attributes: Any) -> str:
        """Append an operator of one result; the name of it."""
        (result,) = self.add_many(operator, 1, *inputs, **attributes)
        return result

    def add_many(self, operator: str, num_results: int, *inputs: Value, **attributes: Any) -> list[str]:
        """Append an operator; the names of its results."""
        results = [self.new_name() for _ in range(num_results)]
        self.nodes.append(helper.make_node(operator, [self.name(value) for value in inputs], results, **attributes))
        return results

    def loop(
        self,
        length: Value,
        carried: Sequence[Value],
        forms: Sequence[Form],
        step: Callable[["OnnxGraph", Value, Sequence[Value]], Sequence[Value]],
    ) -> list[str]:
        """Append a loop of a known number of steps.

        Args:
            length: () int64.
            carried: values before the first step.
            forms: of the values that a step gives: those carried to the next first, then those that are collected.
            step: body, number of the step, carried values -> values of the forms.

        Returns:
            The carried values after the last step, and the collected ones, each with an axis of steps in front.
        """
        body = self.body()
        number, alive = self.new_name(), self.new_name()
        states = [self.new_name() for _ in carried]
        # A result of a body is made in it: a constant or a tensor from outside is copied.
        results = [body.add("Identity", value) for value in step(body, number, states)]
        still = body.add("Identity", alive)
        scalars = [_info(number, Form(np.int64, ())), _info(alive, Form(np.bool_, ()))]
        inputs = scalars + [_info(name, form) for name, form in zip(states, forms, strict=False)]
        outputs = [_info(still, Form(np.bool_, ())), *map(_info, results, forms)]
        inside = helper.make_graph(body.nodes, "body", inputs, outputs)
        return self.add_many("Loop", len(forms), length, np.array(True), *carried, body=inside)

    def model(self, inputs: Mapping[str, Form], outputs: Mapping[str, tuple[str, Form]], producer: str) -> ModelProto:
        """Finish the model.

        Args:
            inputs: forms of the arguments by name.
            outputs: tensor and form of each result by name.
            producer: name of the program that writes it.
        """
        for name, (tensor, _) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [tensor], [name]))
        graph = helper.make_graph(
            self.nodes,
            "predictor",
            [_info(name, form) for name, form in inputs.items()],
            [_info(name, form) for name, (_, form) in outputs.items()],
            [*self._constants.values()],
        )
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, producer_name=producer, opset_imports=opsets, ir_version=IR_VERSION)


def element_type(dtype: Any) -> int:
    """Number that ONNX has for a type of numpy."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _info(name: str, form: Form) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, element_type(form.dtype), form.shape)
