"""Specification of multimodal latent Dirichlet allocation: options, ports and reports."""

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from mmcli.modules.block_sizes import ROWS
from mmcli.modules.class_count import AUTO, ClassOptions, NumClasses, num_small_clusters
from mmcli.modules.spec import (
    EACH_INPUT,
    InputSpec,
    Kind,
    Load,
    ModuleSpec,
    Objective,
    Port,
    PositiveFloat,
    PositiveInt,
    Problem,
    Role,
    Trace,
)

FEWEST_SEARCHED, SEARCHED_PER_CLASS = 10_000, 500


class MldaOptions(ClassOptions):
    """Options of a multimodal latent Dirichlet allocation."""

    num_classes: NumClasses = Field(description="topics; auto, or {max: 30}: as many as it shares with its parents")
    weights: tuple[PositiveFloat, ...] | Literal["auto"] | None = Field(
        AUTO,
        description="what the rows of each input are scaled to sum to; auto: the independent words"
        " they are worth; null: as they come",
    )
    sweeps: PositiveInt = Field(30, description="variational sweeps in one update")
    anneal_sweeps: PositiveInt = Field(
        40, description="sweeps of the search for classes, part of them at a high temperature"
    )
    restarts: PositiveInt = Field(13, description="starts of the search in one update, the last solution among them")
    alpha: PositiveFloat = Field(0.1, description="Dirichlet prior of the topics of an item")
    beta: PositiveFloat | Literal["auto"] = Field(
        AUTO,
        description="Dirichlet prior of the words of a topic; auto: 0.1, or less where words are rarer than topics",
    )


def output(options: MldaOptions, _ports: Sequence[Port]) -> Port:
    """Port to the child: a distribution over the topics."""
    return Port(Kind.CATEGORICAL, options.width)


def check(options: MldaOptions, ports: Sequence[Port]) -> Iterator[Problem]:
    """Check that there is one weight for each input."""
    if isinstance(options.weights, tuple) and len(options.weights) != len(ports):
        yield "weights", f"one per input: {len(ports)}, not {len(options.weights)}"


def most_searched(num_classes: int) -> int:
    """Most items among which K classes are searched for; a class has hundreds of them, on average."""
    return max(FEWEST_SEARCHED, SEARCHED_PER_CLASS * num_classes)


def memory(options: MldaOptions, load: Load) -> int:
    """Bytes that a module needs at its peak, about."""
    num_items, num_topics, starts = load.num_items, options.width, options.restarts
    copies = 1.2 if options.weights is None else 3.3  # scaling copies counts
    dense = [stored == num_items * width for stored, width in zip(load.stored, load.widths, strict=True)]
    searched = min(num_items, most_searched(num_topics)) if all(dense) else num_items
    is_part = searched < num_items
    # Sparse counts are kept in both orders, with the indices of each. Packed ones are held already, as whole numbers.
    sparse = 18 * sum(stored for stored, is_dense in zip(load.stored, dense, strict=True) if not is_dense)
    packed = load.packed or (False,) * len(dense)
    whole = [width for width, is_dense, held in zip(load.widths, dense, packed, strict=True) if is_dense and not held]
    of_all = (1 if options.weights is None else 2) * num_items * sum(whole) * is_part
    dense_width = sum(width for width, is_dense in zip(load.widths, dense, strict=True) if is_dense)
    of_searched = (min(copies, 2.3) if is_part else copies) * searched * dense_width
    blocks = min(num_items, ROWS) * max(load.widths) * any(packed)
    counts = sparse + of_all + max(of_searched, blocks)
    topics = (2 * starts + 4) * num_topics * sum(load.widths)
    # Beliefs and evidence of each input; of several inputs also the latent classes, five for each of half the starts.
    copies_of_starts = max(8 + 5 * len(load.widths), 22 if len(load.widths) > 1 else 0)
    memberships = copies_of_starts * starts * searched * num_topics + (12 if is_part else 4) * num_items * num_topics
    joined = num_small_clusters(num_topics, searched)  # clusters of a start, before the others are made
    of_items, of_words = 1.5 * searched * joined, 2 * joined * sum(load.widths)
    return int(4 * (counts + max(memberships, of_items) + max(topics, of_words)))


SPEC = ModuleSpec(
    name="mlda",
    summary="multimodal latent Dirichlet allocation, by annealed variational inference",
    options=MldaOptions,
    inputs=InputSpec((Kind.COUNTS, Kind.CATEGORICAL), scale_option="weights", packed=True),
    sends=(Kind.CATEGORICAL,),
    output=output,
    build="mmcli.modules.mlda.model:build",
    check=check,
    reports={"class": Role.CLASS, "Pdz": Role.PROBABILITIES, f"Pmdw{EACH_INPUT}": Role.OTHER},
    memory=memory,
    trace=Trace("loglik", "nats", "up", title="evidence lower bound"),
    objective=Objective("evidence lower bound", "nats"),
    restartable=True,
    remedy="try smaller weights, or alpha and beta nearer to 0.1",
    memory_remedy="give it fewer restarts, classes, items or columns",
)
