"""One latent class an item that several modules share, each of which sends a distribution over classes of its own."""

from typing import Any

from mmcli.modules.api import Module
from mmcli.modules.merge import naming_game, product
from mmcli.modules.merge.spec import MergeOptions, output
from mmcli.modules.spec import Port, Rule


def build(options: MergeOptions, ports: tuple[Port, ...], rule: Rule) -> Module[Any]:
    """Build the module.

    `Info.objective` is the evidence that the inputs share by the merged classes, nats: log p(all inputs) less the sum
    of log p(each input). `Info.trace` is Cohen's kappa of the inputs' classes after each iteration.
    """
    if options.how == "product":
        return product.build(options, len(ports), rule)
    return naming_game.build(options, output(options, ports).columns, rule)
