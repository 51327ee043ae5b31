"""Items among which an MLDA searches for its classes: all of few, a random part of many.

Classes that a search over so many items misses have few items each, of which the mixtures would make no class of their
own either; what follows the search is learned from all items.

N items, K topics, V words of a modality.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmcli.modules.api import Inputs
from mmcli.modules.blocks import in_turn, num_blocks
from mmcli.modules.counts import SparseRows
from mmcli.modules.messages import Counts, Message
from mmcli.modules.mlda.spec import most_searched
from mmcli.modules.packed import PackedRows, unpacked
from mmcli.modules.word_mixtures import Views, class_shares, class_words, log_evidence


def searched_places(num_classes: int, inputs: Inputs) -> np.ndarray | None:
    """Places (S,) of the items to search, the same in every run, ascending; None where all are.

    Sparse counts are searched whole, as their rows are of uneven length, and so are items that devices share.
    """
    num_items, most = len(inputs.child.weight), most_searched(num_classes)
    is_sparse = any(isinstance(each.values, SparseRows) for each in inputs.parents if isinstance(each, Counts))
    if num_items <= most or is_sparse or num_blocks() > 1:
        return None
    return np.sort(np.random.default_rng(0).choice(num_items, most, replace=False, shuffle=False))


def searched(num_classes: int, inputs: Inputs) -> Inputs:
    """Inputs of the items to search, their counts unpacked."""
    places = searched_places(num_classes, inputs)
    if places is not None:
        inputs = jax.tree.map(lambda leaf: leaf[jnp.asarray(places)], inputs)
    return inputs._replace(parents=tuple(map(_unpacked, inputs.parents)))


def _unpacked(message: Message) -> Message:
    if isinstance(message, Counts) and isinstance(message.values, PackedRows):
        return message._replace(values=unpacked(message.values))
    return message


def memberships_of_all(memberships: Array, part: Views, views: Views) -> Array:
    """P(class | item) of all items, (N, K), by the mixture that is fitted to the items searched.

    Args:
        memberships: (S, K) of the items searched.
        part: their views.
        views: of all items.
    """
    log_shares = class_shares(memberships[:, None])  # (1, K)
    log_words = [
        class_words(memberships[:, None], counts, beta) for counts, beta in zip(part.words, part.betas, strict=True)
    ]

    def of_rows(words: tuple[Array | PackedRows, ...], child: Array) -> tuple[Array, tuple[()]]:
        evidence = [log_evidence(counts, of_words)[:, 0] for counts, of_words in zip(words, log_words, strict=True)]
        return jax.nn.softmax(sum(evidence, start=log_shares + child[:, 0]), axis=-1), ()

    found: Array = in_turn(of_rows, (views.words, views.child))[0]
    return found
