"""Functions of a spec from another package, guarded: an error in one of them names the type and the function."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from mmcli.errors import ModuleError
from mmcli.modules.spec import Load, ModuleSpec, Port, Problem

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def guarded(spec: ModuleSpec) -> ModuleSpec:
    """The same spec, whose functions raise ModuleError where they fail or give something else than they should."""

    def output(options: Any, ports: Sequence[Port]) -> Port:
        found: Any = spec.output(options, ports)
        if not isinstance(found, Port):
            raise TypeError(f"{type(found).__name__} where a Port is expected")
        return found

    def check(options: Any, ports: Sequence[Port]) -> tuple[Problem, ...]:
        return tuple((option, text) for option, text in spec.check(options, ports))

    def memory(options: Any, load: Load) -> int:
        return int(spec.memory(options, load))

    def prunes(options: Any) -> bool:
        return bool(spec.prunes(options))

    def picture(options: Any) -> tuple[int, ...] | None:
        found = spec.picture(options)
        return None if found is None else tuple(map(int, found))

    def bounds(options: Any) -> tuple[float, float] | None:
        found = spec.inputs.bounds(options)
        if found is None:
            return None
        low, high = map(float, found)
        return low, high

    guard = partial(_guarded, spec)
    inputs = replace(spec.inputs, bounds=guard(bounds))
    return replace(
        spec,
        inputs=inputs,
        output=guard(output),
        check=guard(check),
        memory=guard(memory),
        prunes=guard(prunes),
        picture=guard(picture),
    )


def _guarded(spec: ModuleSpec, function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """The same function, which raises ModuleError where it fails."""

    @wraps(function)
    def call(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        try:
            return function(*arguments, **named)
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            text = f"type {spec.name} of {spec.origin}: `{function.__name__}` of its spec fails: {reason}"
            raise ModuleError(f"{text}; mend or uninstall it") from error

    return call
