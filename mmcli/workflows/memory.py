"""Check of a run's memory: its need, estimated from sizes alone, against the limits of this process."""

import math
import resource
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mmcli.config.graph import Graph
from mmcli.config.model import Config
from mmcli.config.problems import located
from mmcli.data.dataset import Datasets
from mmcli.data.rows.packed import PackedRows
from mmcli.data.rows.protocol import as_rows
from mmcli.errors import ConfigError, UsageError
from mmcli.modules.spec import MAX_COUNT, Load

# Bytes of a process that trains a tiny model: in memory, and of addresses, which libraries and threads reserve more of.
PROCESS, ADDRESSES = 0.45e9, 2.0e9
COPIES = 3  # of observations: as they were read, on the device, and as messages; packed ones are held once


class Limit(NamedTuple):
    """Most bytes of memory that this process can use, and the source of that limit."""

    num_bytes: float
    source: str


def refuse_what_cannot_fit(config: Config, graph: Graph, datasets: Datasets) -> None:
    """Refuse a run that needs more memory than there is, or more items than can be counted.

    Raises:
        ConfigError: the module that needs the most, or each one that observes too much.
    """

    def problem(name: str, text: str) -> str:
        keys = ("modules", name)
        return located(config.places.of(keys, at_key=True), keys, text)

    sizes = {name: as_rows(rows).num_stored for name, rows in datasets.observations.items()}
    # Of dense rows only items are counted; the entries of sparse ones are numbered.
    counted = {name: sizes[name] if name in datasets.shares else datasets.num_items for name in sizes}
    too_many = {name: number for name, number in counted.items() if number > MAX_COUNT}
    if too_many:
        text = "it has {:,} items or entries, more than are counted in 32 bits (2^31 - 1); give it fewer"
        raise ConfigError([problem(name, text.format(number)) for name, number in too_many.items()])
    name, need = needed(graph, datasets)
    limit = min(limits(), key=lambda limit: limit.num_bytes, default=Limit(need, ""))
    if need > limit.num_bytes:
        num_columns = sum(module_loads(graph, datasets)[name].widths)
        load = f"{datasets.num_items:,} items of {num_columns:,} columns would take about {_gigabytes(need)} of memory"
        remedy = graph.nodes[name].spec.memory_remedy
        raise ConfigError([problem(name, f"{load}, and {limit.source} {_gigabytes(limit.num_bytes)}; {remedy}")])


def needed(graph: Graph, datasets: Datasets) -> tuple[str, float]:
    """The module that needs the most, and the bytes at the peak of a run, about."""
    needs = {
        name: graph.nodes[name].spec.memory(graph.nodes[name].config.options, load)
        for name, load in module_loads(graph, datasets).items()
    }
    name = max(needs, key=lambda name: needs[name])
    held = sum(
        (1 if isinstance(rows, PackedRows) else COPIES) * as_rows(rows).num_bytes
        for rows in datasets.observations.values()
    )
    return name, PROCESS + held + needs[name]


def module_loads(graph: Graph, datasets: Datasets) -> Mapping[str, Load]:
    """Load of each module that learns."""
    loads = {}
    observed = {name: as_rows(rows).num_stored for name, rows in datasets.observations.items()}
    for name, ports in graph.ports(datasets.widths).items():
        widths = tuple(port.columns for port in ports)
        parents = zip(graph.nodes[name].parents, widths, strict=True)
        stored = tuple(observed.get(parent, datasets.num_items * width) for parent, width in parents)
        packed = tuple(
            isinstance(datasets.observations.get(parent), PackedRows) for parent in graph.nodes[name].parents
        )
        loads[name] = Load(datasets.num_items, widths, stored, packed)
    return loads


def refuse_too_many(option: str, num_runs: int, num_bytes: float) -> None:
    """Refuse more runs at a time than fit into the memory that they share.

    Args:
        option: that asks for them.
        num_runs: at a time.
        num_bytes: that each needs, about.

    Raises:
        UsageError: with the number that fits.
    """
    fits = num_that_fit(num_bytes)
    if num_runs > fits:
        limit = min(shared_limits(), key=lambda limit: limit.num_bytes)
        load = f"{num_runs} runs at a time would take about {_gigabytes(num_runs * num_bytes)} of memory"
        raise UsageError(f"{option}: {load}, and {limit.source} {_gigabytes(limit.num_bytes)}; at most {fits:g} fit")


def num_that_fit(num_bytes: float) -> float:
    """Runs of so many bytes that fit beside each other, at least 1; infinite where no limit is known."""
    return max(1, min((limit.num_bytes // num_bytes for limit in shared_limits()), default=math.inf))


def limits() -> Iterator[Limit]:
    """Memory that the machine, its control groups and the limits of this process allow."""
    yield from shared_limits()
    for kind, option, taken in (
        (resource.RLIMIT_AS, "v", ADDRESSES - PROCESS),
        (resource.RLIMIT_DATA, "d", 0),
    ):
        most, _ = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            yield Limit(max(most - taken, 0), f"`ulimit -{option}` leaves")


def shared_limits() -> Iterator[Limit]:
    """Memory that the machine and control groups allow, for all their processes together."""
    lines = _lines(Path("/proc/meminfo"))
    sizes = {line.split()[0]: float(line.split()[1]) for line in lines if line.endswith("kB")}
    if "MemTotal:" in sizes:
        yield Limit(1024 * (sizes["MemTotal:"] + sizes.get("SwapTotal:", 0)), "this machine has")
    yield from control_group_limits(Path("/sys/fs/cgroup"), _lines(Path("/proc/self/cgroup")))


def control_group_limits(root: Path, memberships: list[str]) -> Iterator[Limit]:
    """Limits of the control groups that a process is in, of either version.

    Args:
        root: where they are mounted.
        memberships: lines of /proc/self/cgroup, hierarchy:controllers:path.
    """
    for line in memberships:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        mount, file = (root / "memory", "memory.limit_in_bytes") if controllers else (root, "memory.max")
        group = mount / path.strip("/")
        # A group is held to the limits of those around it. In a container, its own path may not be there.
        for folder in (group, *(parent for parent in group.parents if parent.is_relative_to(mount))):
            for text in _lines(folder / file):
                if text.isdigit():  # "max" is none
                    yield Limit(float(text), "this control group (container, batch job) has")


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def _gigabytes(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.1f} GB"
