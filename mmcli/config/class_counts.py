"""Where a number of classes is left open and cannot be found, or must not be looked for. No arrays."""

from collections.abc import Iterator, Mapping, Sequence

from mmcli.config.model import Keys, ModuleConfig
from mmcli.modules.class_count import ClassOptions
from mmcli.modules.spec import Kind, Port, Rule


def is_open(module: ModuleConfig) -> bool:
    """Whether a module's number of classes is to be found."""
    return isinstance(module.options, ClassOptions) and module.options.is_open


def count_problems(
    modules: Mapping[str, ModuleConfig], ports: Mapping[str, Sequence[Port]], rule: Rule
) -> Iterator[tuple[Keys, str]]:
    """Find numbers of classes that are left open and cannot be found.

    Args:
        modules: of a config whose modules fit together.
        ports: of the inputs of each.
        rule: of the backward messages.
    """
    left_open = [module for module in modules.values() if is_open(module)]
    if not left_open:
        return
    counting = [
        name
        for name, module in modules.items()
        if module.spec.restartable and module.spec.has_own_width(module.options, ports[name])
    ]
    counted = {
        name
        for child in map(modules.__getitem__, counting)
        for parent, port in zip(child.inputs, ports[child.name], strict=True)
        if port.kind is Kind.CATEGORICAL and modules[parent].spec.restartable and is_open(modules[parent])
        for name in (parent, child.name)
    }
    for module in left_open:
        keys: Keys = ("modules", module.name, "num_classes")
        if module.name not in counted:
            yield keys, "needs classes that a gmm of open number sends to an mlda, which share them; give a number"
        elif rule == "serket":
            yield keys, "needs messages: cavity, as serket's hold what their receiver sent; give a number"
    for module in modules.values():
        searched = [parent for parent in module.inputs if modules[parent].spec.restartable]
        if searched and module.name not in counting:
            text = f"receives classes of {searched[0]}, whose number is found later; give every module a number"
            yield ("modules", module.name), text
