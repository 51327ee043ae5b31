"""Multimodal latent Dirichlet allocation by variational inference from an annealed start.

theta_t ~ Dirichlet(alpha), phi_mk ~ Dirichlet(beta) for modality m; each of an item's words of modality
m picks a topic from theta_t and itself from phi_m of that topic. A modality's rows are scaled to sum to
its weight, as real numbers. A Categorical parent is a modality of K words, taken in expectation.

An update has two parts. It looks for classes as a mixture, one topic an item, cooled from a high
temperature, from several random starts and from where the last update ended, and keeps the one that
explains the observations best and shares most with the parents' inferences (`mixture.selection_scores`). From there
the variational sweeps start.

N items, K topics, V_m words of modality m, R starts.

Source: Blei, Ng and Jordan (2003), JMLR 3, section 5.2; Nakamura, Nagai and Iwahashi (2009),
doi:10.1109/IROS.2009.5354412; annealing: Ueda and Nakano (1998), doi:10.1016/S0893-6080(97)00133-0.
"""

from functools import partial
from typing import NamedTuple, overload

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.api import Info, Inputs, Module, Outputs
from mmcli.modules.counts import TINY, Rows, row_sums, scaled, word_sums
from mmcli.modules.messages import Categorical, Counts, Message, normalized, of_kind
from mmcli.modules.mlda.mixture import selection_scores, topic_scores
from mmcli.modules.mlda.spec import MldaOptions
from mmcli.modules.mlda.variational import elbo, item_concentrations, total_mass, variational_sweep
from mmcli.modules.spec import Kind, Port, Rule

SWEEPS_PER_BOUND = 10  # variational sweeps from one value of the bound in the trace to the next
START_TEMPERATURE = 50.0
COOLING_SHARE = 0.7  # of the annealing sweeps; the rest run at temperature 1
# Weight of each parent in the search, in words per word observed, at the highest and at the final temperature.
# Little, or the search repeats a parent's mistaken merges and splits; most of it early, where the classes separate.
HOTTEST_SHARE, COOLEST_SHARE = 0.5, 0.05
SETTLING_SWEEPS = 5
SMALLEST_PRIOR = 1e-6


class MldaState(NamedTuple):
    """Topics and memberships, kept from round to round."""

    topics: tuple[Array, ...]  # (K, V_m) parameters of q(phi_m), a Dirichlet for each topic
    memberships: Array  # (N, K) P(topic | item) of the mixture that the next update starts from
    trained: Array  # () bool, False before the first update


class MldaWork(NamedTuple):
    """An update under way."""

    done: Array  # () int32, sweeps done: those that anneal, then the variational ones
    trained: Array  # () bool
    starts: Array  # (N, R, K) memberships of the starts
    concentrations: Array  # (N, K) parameters of q(theta)
    topics: tuple[Array, ...]
    trace: Array  # (I,) nats; 0 for the sweeps to come


@overload
def as_counts(message: Categorical, weight: float | None) -> Array: ...
@overload
def as_counts(message: Message, weight: float | None) -> Rows: ...
def as_counts(message: Message, weight: float | None) -> Rows:
    """A modality's rows as (N, V) counts, scaled to sum to `weight` or left as they come; zeros where missing."""
    if isinstance(message, Counts):
        values = message.values
    else:
        values = jnp.where(message.weight[:, None] > 0, jnp.exp(of_kind(message, Categorical).log_probs), 0)
    return values if weight is None else scaled(values, weight / jnp.maximum(row_sums(values), TINY))


def prediction(log_probs: Array, sent: Message, informed: Array) -> Message:
    """Prediction of a modality from the log probabilities (N, V) of its words, in the kind of the message it sent.

    As many words as were sent, one where none were. To a parent that infers, a row is missing where there is no
    other evidence on the item, `informed` (N,) is False: class shares alone are no evidence for the parent.
    """
    if isinstance(sent, Counts):
        mass = row_sums(sent.values)[:, None]
        return Counts(jnp.exp(log_probs) * jnp.where(mass > 0, mass, 1), jnp.ones_like(sent.weight))
    return normalized(log_probs, informed.astype(float))


class Setting(NamedTuple):
    """Options, kinds of the inputs, and rule that a module is built with."""

    options: MldaOptions
    kinds: tuple[Kind, ...]  # of each input
    rule: Rule

    @property
    def is_inferred(self) -> list[bool]:
        """For each input, whether a parent inferred it; where all are inferred, they count as observed."""
        inferred = [kind is Kind.CATEGORICAL for kind in self.kinds]
        return inferred if not all(inferred) else [False] * len(inferred)

    def words(self, inputs: Inputs) -> list[Rows]:
        """The modalities, (N, V_m) each, scaled to their weights."""
        weights = self.options.weights or [None] * len(self.kinds)
        return [as_counts(message, weight) for message, weight in zip(inputs.parents, weights, strict=True)]

    def search_words(self, inputs: Inputs, share: Array) -> tuple[list[Rows], list[Array]]:
        """Modalities observed and inferred; of the latter `share` words an item for each word observed."""
        inferred, item_words = self.is_inferred, self.words(inputs)
        observed = [counts for counts, is_inferred in zip(item_words, inferred, strict=True) if not is_inferred]
        mass = total_mass(observed, len(inputs.child.weight))
        mean_mass = mass.sum() / jnp.maximum((mass > 0).sum(), 1)
        messages = [message for message, is_inferred in zip(inputs.parents, inferred, strict=True) if is_inferred]
        shares = jnp.full(mass.shape, share * mean_mass)
        return observed, [scaled(as_counts(of_kind(message, Categorical), 1.0), shares) for message in messages]

    def prior(self, inputs: Inputs) -> Array:
        """Dirichlet prior of each item's topics, (N, K): moved by the child's message unless that is neutral."""
        log_probs = of_kind(inputs.child, Categorical).log_probs
        return jnp.maximum(self.options.alpha * self.options.num_classes * jnp.exp(log_probs), SMALLEST_PRIOR)


def init(setting: Setting, _key: Array, inputs: Inputs) -> MldaState:
    """Create the state before the first update: topics at their prior, uniform memberships."""
    num_items, num_topics = len(inputs.child.weight), setting.options.num_classes
    widths = [counts.shape[1] for counts in setting.words(inputs)]
    topics = tuple(jnp.full((num_topics, width), setting.options.beta, float) for width in widths)
    return MldaState(topics, jnp.full((num_items, num_topics), 1 / num_topics, float), jnp.array(False))


def begin(setting: Setting, key: Array, state: MldaState, inputs: Inputs) -> MldaWork:
    """Draw the starts, memberships (N, R, K); after the first update one of them is the last solution."""
    options = setting.options
    num_items, num_topics = state.memberships.shape
    starts = jax.random.exponential(key, (num_items, options.restarts, num_topics))
    starts /= starts.sum(-1, keepdims=True)  # uniform over the simplex
    starts = starts.at[:, 0].set(jnp.where(state.trained, state.memberships, starts[:, 0]))
    trace = jnp.zeros(-(-options.sweeps // SWEEPS_PER_BOUND))
    return MldaWork(jnp.int32(0), state.trained, starts, setting.prior(inputs), state.topics, trace)


def advance(setting: Setting, work: MldaWork, inputs: Inputs, until: Array) -> MldaWork:
    """Run the sweeps up to `until`, () int32: first those that anneal, then the variational ones."""
    anneal_sweeps = setting.options.anneal_sweeps
    for part, end in ((anneal, anneal_sweeps), (refine, anneal_sweeps + setting.options.sweeps)):
        last = jnp.minimum(until, end)
        work = jax.lax.cond(work.done < last, partial(part, setting), lambda work, *_: work, work, inputs, last)
    return work


def anneal(setting: Setting, work: MldaWork, inputs: Inputs, last: Array) -> MldaWork:
    """Cool the starts (N, R, K) down to sweep `last`, () int32, of the annealing ones."""
    options, child = setting.options, of_kind(inputs.child, Categorical).log_probs[:, None, :]
    # The last update's classes are not heated up again.
    hottest = jnp.where(work.trained & (jnp.arange(options.restarts) == 0), 1.0, START_TEMPERATURE)

    def sweep(index: Array, starts: Array) -> Array:
        heat = jnp.maximum(1 - index / (COOLING_SHARE * options.anneal_sweeps), 0.0)
        temperature = hottest**heat  # (R,)
        observed, inferred = setting.search_words(inputs, COOLEST_SHARE + (HOTTEST_SHARE - COOLEST_SHARE) * heat)
        scores = topic_scores(starts, [*observed, *inferred], options.beta)
        return jax.nn.softmax((scores + child) / temperature[None, :, None], axis=-1)

    return work._replace(done=last, starts=jax.lax.fori_loop(work.done, last, sweep, work.starts))


def refine(setting: Setting, work: MldaWork, inputs: Inputs, last: Array) -> MldaWork:
    """Run variational sweeps from the best start, up to sweep `last`, () int32, of all."""
    options, item_words, prior = setting.options, setting.words(inputs), setting.prior(inputs)
    iterations = options.anneal_sweeps + options.sweeps

    def sweep(_: Array, solution: tuple[Array, tuple[Array, ...]]) -> tuple[Array, tuple[Array, ...]]:
        return variational_sweep(*solution, prior, item_words, options.beta)

    def stretch(work: MldaWork) -> MldaWork:
        """Run the sweeps up to the next value of the bound, or to the last."""
        place = (work.done - options.anneal_sweeps) // SWEEPS_PER_BOUND
        due = jnp.minimum(options.anneal_sweeps + (place + 1) * SWEEPS_PER_BOUND, iterations)
        end = jnp.minimum(due, last)
        solution = (work.concentrations, work.topics)
        concentrations, topics = jax.lax.fori_loop(work.done, end, sweep, solution)
        bound = jax.lax.cond(
            end == due,
            lambda: elbo(concentrations, prior, topics, item_words, options.beta),
            lambda: work.trace[place],
        )
        trace = work.trace.at[place].set(bound)
        return work._replace(done=end, concentrations=concentrations, topics=topics, trace=trace)

    is_first = work.done == options.anneal_sweeps
    work = jax.lax.cond(is_first, partial(settle, setting), lambda work, _: work, work, inputs)
    return jax.lax.while_loop(lambda work: work.done < last, stretch, work)


def settle(setting: Setting, work: MldaWork, inputs: Inputs) -> MldaWork:
    """Select the best start and compute q(theta) and q(phi) from it."""
    beta, item_words = setting.options.beta, setting.words(inputs)
    child = of_kind(inputs.child, Categorical).log_probs[:, None, :]
    observed, inferred = setting.search_words(inputs, jnp.array(COOLEST_SHARE))
    best = selection_scores(work.starts, observed, inferred, child, beta).argmax()
    memberships = work.starts[:, best][:, None]  # (N, 1, K)

    def sweep(_: Array, memberships: Array) -> Array:
        scores = topic_scores(memberships, item_words, beta)
        return jax.nn.softmax(scores + child, axis=-1)

    memberships = jax.lax.fori_loop(0, SETTLING_SWEEPS, sweep, memberships)[:, 0]
    mass = total_mass(item_words, memberships.shape[0])
    topics = tuple(beta + word_sums(memberships, counts) for counts in item_words)
    return work._replace(concentrations=setting.prior(inputs) + memberships * mass[:, None], topics=topics)


def end(setting: Setting, work: MldaWork, inputs: Inputs) -> tuple[MldaState, Outputs, Info]:
    """Compute the state and the outputs after the last sweep."""
    memberships = work.concentrations / work.concentrations.sum(-1, keepdims=True)
    state = MldaState(work.topics, memberships, jnp.array(True))
    return state, infer(setting, state, inputs), Info(work.trace[-1], work.trace)


def infer(setting: Setting, state: MldaState, inputs: Inputs) -> Outputs:
    """Compute the outputs for given topics; `class` is (N,), `Pdz` (N, K)."""
    item_words, prior = setting.words(inputs), setting.prior(inputs)
    flat_prior = jnp.full_like(prior, setting.options.alpha)
    forward = item_concentrations(state.topics, flat_prior, item_words)
    backward = []
    for place, topic in enumerate(state.topics):
        theta, informed = topics_for(setting, place, state, inputs)
        probs = theta @ (topic / topic.sum(-1, keepdims=True))  # (N, V)
        backward.append(prediction(jnp.log(probs), inputs.parents[place], informed))
    theta = item_concentrations(state.topics, prior, item_words)
    items = {"class": theta.argmax(-1), "Pdz": theta / theta.sum(-1, keepdims=True)}
    has_words = (total_mass(item_words, len(prior)) > 0).astype(float)
    return Outputs(normalized(jnp.log(forward), has_words), tuple(backward), items)


def topics_for(setting: Setting, place: int, state: MldaState, inputs: Inputs) -> tuple[Array, Array]:
    """E[theta] (N, K) given the evidence that a message to input `place` may contain, and whether there is any (N,)."""
    others = [m for m in range(len(setting.kinds)) if m != place or setting.rule == "serket"]
    item_words, prior = setting.words(inputs), setting.prior(inputs)
    item_words = [item_words[m] for m in others]
    theta = item_concentrations([state.topics[m] for m in others], prior, item_words)
    informed = (total_mass(item_words, len(theta)) > 0) | (inputs.child.weight > 0)
    return theta / theta.sum(-1, keepdims=True), informed


def sample(setting: Setting, key: Array, state: MldaState, inputs: Inputs) -> tuple[Message, ...]:
    """Draw a topic for each item; from it expected counts (N, V_m), or a drawn class for a categorical parent."""
    topic_key, word_key = jax.random.split(key)
    drawn = []
    for place, (topic, sent) in enumerate(zip(state.topics, inputs.parents, strict=True)):
        theta, informed = topics_for(setting, place, state, inputs)
        # One key: all modalities of an item are about the same topic.
        item_topics = jax.random.categorical(topic_key, jnp.log(theta))
        log_probs = jnp.log(topic / topic.sum(-1, keepdims=True))[item_topics]  # (N, V)
        if not isinstance(sent, Counts):  # one class for a parent that infers
            classes = jax.random.categorical(jax.random.fold_in(word_key, place), log_probs)
            log_probs = jnp.log(jax.nn.one_hot(classes, topic.shape[1]) + SMALLEST_PRIOR)
        drawn.append(prediction(log_probs, sent, informed))
    return tuple(drawn)


def params(state: MldaState) -> dict[str, Array]:
    """Parameters for the run directory: P(word | topic) of each modality as `Pmdw<m>`, (K, V_m)."""
    return {f"Pmdw{m}": topic / topic.sum(-1, keepdims=True) for m, topic in enumerate(state.topics)}


def build(options: MldaOptions, ports: tuple[Port, ...], rule: Rule) -> Module[MldaState]:
    """Build the module for inputs of `ports[m].kind`.

    `Info.objective` is the evidence lower bound after the update, nats; `Info.trace` the bound after every
    SWEEPS_PER_BOUND variational sweeps and the last. A row of zeros is a document without words.
    """
    setting = Setting(options, tuple(port.kind for port in ports), rule)
    return Module(
        partial(init, setting),
        partial(begin, setting),
        partial(advance, setting),
        partial(end, setting),
        partial(infer, setting),
        options.anneal_sweeps + options.sweeps,
        partial(sample, setting),
        params,
    )
