"""Values as YAML on one line."""

from typing import Any

import yaml

from mmcli.config.source import CoreDumper


def flow(value: Any) -> str:
    """Write a plain value on one line, quoted where it has to be: {file: a.npz, key: images}."""
    text = yaml.dump(
        value, Dumper=CoreDumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return text.removesuffix("...\n").strip()
