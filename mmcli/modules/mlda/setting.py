"""What an MLDA is built with, and its inputs as counts.

N items, K topics, V_m words of modality m, M modalities.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from mmcli.modules.api import Inputs
from mmcli.modules.class_count import AUTO
from mmcli.modules.counts import TINY, Rows, row_sums
from mmcli.modules.messages import Categorical, Message, of_kind
from mmcli.modules.mlda.spec import MldaOptions
from mmcli.modules.mlda.starts import MOST_WORDS
from mmcli.modules.spec import Kind, Rule
from mmcli.modules.word_mixtures import Views
from mmcli.modules.words import as_counts, pseudo_count

LATENT_CLASS_SHARE = 1 / 2  # of the starts; the others are random, and cooled
SMALLEST_PRIOR = 1e-6
JUDGEMENT = 1.0  # words that a distribution over classes is worth to a mixture, which draws one class an item


class Setting(NamedTuple):
    """Options, kinds of the inputs, and rule that a module is built with."""

    options: MldaOptions
    kinds: tuple[Kind, ...]  # of each input
    rule: Rule

    def words(self, inputs: Inputs, auto: Array | None) -> list[Rows]:
        """The modalities, (N, V_m) each, scaled to their weights; `auto` (M,) are those where the option is auto."""
        match self.options.weights:
            case "auto":
                weights: list[float | Array | None] = list(jnp.zeros(0) if auto is None else auto)
            case None:
                weights = [None] * len(self.kinds)
            case given:
                weights = list(given)
        return [as_counts(message, weight) for message, weight in zip(inputs.parents, weights, strict=True)]

    def betas(self, words: Sequence[Rows]) -> tuple[Array, ...]:
        """Pseudo-count of a word, () for each modality (N, V_m)."""
        if self.options.beta != AUTO:
            return (jnp.asarray(self.options.beta, float),) * len(words)
        return tuple(pseudo_count(counts, self.options.width) for counts in words)

    def views(self, inputs: Inputs, sizes: Array) -> Views:
        """The modalities as the search counts them: rows scaled to what they are worth, `sizes` (M,) words."""
        raw = [as_counts(message, None) for message in inputs.parents]
        known = tuple((row_sums(counts) > 0).astype(float) for counts in raw)
        words = tuple(as_counts(message, size) for message, size in zip(inputs.parents, sizes, strict=True))
        child = of_kind(inputs.child, Categorical)
        return Views(words, self.betas(words), known, child.log_probs[:, None, :], child.weight)

    @property
    def has_words(self) -> np.ndarray:
        """Modalities that are counts, (M,) bool; the others are distributions over classes."""
        return np.array([kind is Kind.COUNTS for kind in self.kinds])

    def auto_weights(self, sizes: Array, nats: Array) -> Array:
        """Words that each modality counts for in the variational sweeps, (M,), where the option is auto.

        Words are divided among the topics of an item by their number. So a distribution over classes counts for as
        many as have its information; for a word a nat where no modality has words.

        Args:
            sizes: (M,) independent words that an item of each is worth.
            nats: (M,) `class_information` of each.
        """
        of_a_word = jnp.float32(1)
        if self.has_words.any():
            of_a_word = (nats * self.has_words).sum() / (sizes * self.has_words).sum()
        judgements = jnp.clip(nats / jnp.maximum(of_a_word, TINY), JUDGEMENT, MOST_WORDS)
        return jnp.where(self.has_words, sizes, judgements)

    @property
    def num_informed(self) -> int:
        """Number of starts that the modalities have in common; none where there is one modality or one start."""
        return int(LATENT_CLASS_SHARE * self.options.restarts) if len(self.kinds) > 1 else 0

    def width(self, message: Message) -> int:
        """Number of words V_m of a modality."""
        return as_counts(message, None).shape[1]

    def prior(self, inputs: Inputs) -> Array:
        """Dirichlet prior of each item's topics, (N, K): moved by the child's message unless that is neutral."""
        log_probs = of_kind(inputs.child, Categorical).log_probs
        return jnp.maximum(self.options.alpha * self.options.width * jnp.exp(log_probs), SMALLEST_PRIOR)
