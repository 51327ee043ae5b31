"""A module type in use, for the checks of its contract: two updates of a few items, and ways to compare them."""

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmcli.modules.api import Info, Inputs, Module, Outputs
from mmcli.modules.messages import neutral
from mmcli.modules.registry import build
from mmcli.modules.spec import ModuleSpec, Options, Port, Rule
from mmcli.testing.examples import Example, N, example_inputs

TOLERANCE = 1e-5
random_key = functools.partial(jax.random.key, impl="rbg")  # as a run has it


@dataclass(frozen=True)
class Case:
    """A module in use and two updates of it, the first before a child has sent anything.

    Attributes:
        spec: of its type.
        options: it was built with.
        example: the inputs.
        output: port of its forward messages.
        module: with its functions jitted.
        inputs: of the second update.
        states: before the first update, after it, after the second.
        begun: work of the second update before any iteration.
        finished: the same after the last.
        outputs: of the second update.
        info: likewise.
    """

    spec: ModuleSpec
    options: Options
    example: Example
    output: Port
    module: Module[Any]
    inputs: Inputs
    states: list[Any]
    begun: Any
    finished: Any
    outputs: Outputs
    info: Info

    @property
    def arguments(self) -> dict[str, tuple[Any, ...]]:
        """Arguments of every function that the module has, by its name."""
        key, state = random_key(0), self.states[0]
        arguments = {
            "init": (key, self.inputs),
            "begin": (key, state, self.inputs),
            "advance": (self.begun, self.inputs, jnp.int32(1)),
            "end": (self.finished, self.inputs),
            "infer": (state, self.inputs),
            "sample": (key, state, self.inputs),
            "params": (state,),
        }
        return {name: given for name, given in arguments.items() if getattr(self.module, name) is not None}

    def build(self, rule: Rule = "cavity") -> Module[Any]:
        """Build the module again, nothing jitted."""
        return build(self.spec, self.options, self.example.ports, rule)

    def infer(self, inputs: Inputs) -> Outputs:
        """Outputs of the module as the second update left it."""
        outputs: Outputs = self.module.infer(self.states[2], inputs)
        return outputs

    def dense_inputs(self, seed: int = 0, num_items: int = N) -> Inputs:
        """Example inputs, those of the case for seed 0, with dense counts."""
        example = self.example._replace(is_sparse=False)
        return example_inputs(self.spec, self.options, example, self.output, seed, num_items)


def require(condition: Any, text: str) -> None:
    """Raise AssertionError where a condition does not hold."""
    if not condition:
        raise AssertionError(text)


def run_updates(spec: ModuleSpec, options: Options, example: Example) -> Case:
    """Build a module and put it through two updates.

    Raises:
        AssertionError: its arrays change their structure, or a function is traced twice.
    """
    output = spec.output(options, example.ports)
    inputs = example_inputs(spec, options, example, output)
    traces = Counter[str]()
    module = jitted(build(spec, options, example.ports, "cavity"), traces)
    require(module.iterations >= 1, f"an update has {module.iterations} iterations, and needs at least 1")
    states = [module.init(random_key(0), inputs)]
    for number, given in ((1, inputs._replace(child=neutral(output, N))), (2, inputs)):
        begun = module.begin(random_key(number), states[-1], given)
        finished = advanced(module, begun, given)
        require(signature(finished) == signature(begun), "advance changes the structure, shapes or dtypes of the work")
        state, outputs, info = module.end(finished, given)
        require(signature(state) == signature(states[0]), "end gives a state of other structure, shapes or dtypes")
        states.append(state)
    retraced = [name for name, count in traces.items() if count > 1]
    require(not retraced, f"traced twice in two updates, which would compile again: {', '.join(retraced)}")
    return Case(spec, options, example, output, module, inputs, states, begun, finished, outputs, info)


def jitted(module: Module[Any], traces: Counter[str]) -> Module[Any]:
    """The module with its functions jitted; `traces` counts how often each is traced."""

    def counted(name: str) -> Callable[..., Any]:
        def function(*arguments: Any) -> Any:
            traces[name] += 1
            return getattr(module, name)(*arguments)

        return jax.jit(function)

    return Module(
        counted("init"),
        counted("begin"),
        counted("advance"),
        counted("end"),
        counted("infer"),
        module.iterations,
        None if module.sample is None else counted("sample"),
        None if module.params is None else counted("params"),
    )


def advanced(module: Module[Any], work: Any, inputs: Inputs, cuts: Sequence[int] = ()) -> Any:
    """The work at the end of an update that is cut at some numbers of iterations."""
    for until in (*cuts, module.iterations):
        work = module.advance(work, inputs, jnp.int32(until))
    return work


def signature(tree: Any) -> Any:
    """Structure, and shape, dtype and weakness of each leaf: what decides whether a function is traced again."""
    leaves, structure = jax.tree.flatten(jax.eval_shape(lambda tree: tree, tree))
    return structure, [(leaf.shape, leaf.dtype, leaf.weak_type) for leaf in leaves]


def contents(tree: Any) -> list[bytes]:
    """Every leaf, to the bit."""
    return [_on_host(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def require_finite(tree: Any, subject: str) -> None:
    """Raise AssertionError where a floating-point leaf holds NaN or infinity."""
    for path, leaf in jax.tree.leaves_with_path(tree):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        is_float = jnp.issubdtype(leaf.dtype, jnp.floating)
        require(not is_float or np.isfinite(leaf).all(), f"{subject}: {name or 'it'} holds NaN or infinity")


def agree(one: Any, other: Any, rows: Sequence[int]) -> bool:
    """Whether two pytrees agree: in some rows of the leaves that have a row an item, and in the others altogether."""

    def close(leaf: Any, same: Any) -> bool:
        index = list(rows) if jnp.ndim(leaf) and len(leaf) == N else ...
        return np.allclose(_on_host(leaf)[index], _on_host(same)[index], TOLERANCE, TOLERANCE)

    return all(map(close, jax.tree.leaves(one), jax.tree.leaves(other)))


def _on_host(leaf: Any) -> np.ndarray:
    """A leaf as an array of numbers, of a random key its data."""
    return np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
