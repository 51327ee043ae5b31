"""Multimodal latent Dirichlet allocation by variational inference from an annealed start.

theta_t ~ Dirichlet(alpha), phi_mk ~ Dirichlet(beta) for modality m; each of an item's words of modality
m picks a topic from theta_t and itself from phi_m of that topic. A modality's rows are scaled to sum to
its weight, as real numbers. A Categorical parent is a modality of K words, taken in expectation.

An update has two parts. It looks for classes as a mixture, one topic an item, cooled from a high
temperature, from several random starts and from where the last update ended, and keeps the one that
explains the observations best and shares most with what the parents say (`mixture.merits`). From there
the variational sweeps go on.

N items, K topics, V_m words of modality m, R starts.

Source: Blei, Ng and Jordan (2003), JMLR 3, section 5.2; Nakamura, Nagai and Iwahashi (2009),
doi:10.1109/IROS.2009.5354412; annealing: Ueda and Nakano (1998), doi:10.1016/S0893-6080(97)00133-0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import digamma, gammaln

from mmcli.modules.api import Info, Inputs, Module, Outputs
from mmcli.modules.counts import TINY, Rows, expected_counts, log_likelihood, row_sums, scaled, times, word_sums
from mmcli.modules.messages import Counts, Message, normalized
from mmcli.modules.mlda.mixture import merits, topic_scores
from mmcli.modules.registry import Kind, MldaOptions, Port, Rule

SWEEPS_PER_BOUND = 10  # variational sweeps from one value of the bound in the trace to the next
START_TEMPERATURE = 50.0
COOLING_SHARE = 0.7  # of the annealing sweeps; the rest run at temperature 1
# What the search hears of each parent, in words per word observed, when it is hottest and once it is cool.
# Little, or the search repeats what a parent merged or split by mistake; most of it early, where the classes part.
HOTTEST_SHARE, COOLEST_SHARE = 0.5, 0.05
SETTLING_SWEEPS = 5
ITEM_SWEEPS = 20
SMALLEST_PRIOR = 1e-6


class MldaState(NamedTuple):
    topics: tuple[Array, ...]  # (K, V_m) parameters of q(phi_m), a Dirichlet for each topic
    memberships: Array  # (N, K) P(topic | item) of the mixture that the next update goes on from
    trained: Array  # () bool, False before the first update


class MldaWork(NamedTuple):
    done: Array  # () int32, sweeps done: those that anneal, then the variational ones
    trained: Array  # () bool
    starts: Array  # (N, R, K) memberships of the starts
    concentrations: Array  # (N, K) parameters of q(theta)
    topics: tuple[Array, ...]
    trace: Array  # (I,) nats; 0 for the sweeps to come


def expected_log(concentrations: Array) -> Array:
    """E[log p] under Dirichlet rows, same shape. Blei et al. (2003), appendix A.1."""
    return digamma(concentrations) - digamma(concentrations.sum(-1, keepdims=True))


def dirichlet_kl(concentrations: Array, prior: Array) -> Array:
    """KL(Dirichlet(concentrations) || Dirichlet(prior)) of each row, (...,) nats, of two (..., K)."""
    total, prior_total = concentrations.sum(-1), prior.sum(-1)
    log_norm = gammaln(total) - gammaln(concentrations).sum(-1) - gammaln(prior_total) + gammaln(prior).sum(-1)
    return log_norm + ((concentrations - prior) * expected_log(concentrations)).sum(-1)


def elbo(concentrations: Array, prior: Array, topics: Sequence[Array], words: Sequence[Rows], beta: float) -> Array:
    """Evidence lower bound with the words' topics at their optimum, () nats. Hoffman et al. (2010), eq. 4."""
    item_factors = jnp.exp(expected_log(concentrations))
    bound = -dirichlet_kl(concentrations, prior).sum()
    for topic, counts in zip(topics, words, strict=True):
        bound += log_likelihood(item_factors, jnp.exp(expected_log(topic)), counts)
        bound -= dirichlet_kl(topic, jnp.full_like(topic, beta)).sum()
    return bound


def variational_sweep(
    concentrations: Array, topics: Sequence[Array], prior: Array, words: Sequence[Rows], beta: float
) -> tuple[Array, tuple[Array, ...]]:
    """One round of coordinate ascent on q(theta) and q(phi). Blei et al. (2003), eqs. 6, 7 and section 5.3."""
    item_factors = jnp.exp(expected_log(concentrations))  # (N, K)
    new_concentrations, new_topics = prior, []
    for topic, counts in zip(topics, words, strict=True):
        of_items, of_words = expected_counts(item_factors, jnp.exp(expected_log(topic)), counts)
        new_concentrations = new_concentrations + of_items
        new_topics.append(beta + of_words)
    return new_concentrations, tuple(new_topics)


def item_concentrations(topics: Sequence[Array], prior: Array, words: Sequence[Rows]) -> Array:
    """q(theta) of each item on its own with the topics frozen, (N, K), starting from the mixture's posterior."""
    scores = jnp.log(prior)
    factors = [jnp.exp(expected_log(topic)) for topic in topics]
    for topic, counts in zip(topics, words, strict=True):
        scores += times(counts, jnp.log(topic / topic.sum(-1, keepdims=True)).T)
    start = prior + jax.nn.softmax(scores, axis=-1) * total_mass(words, prior.shape[0])[:, None]

    def sweep(_: int, concentrations: Array) -> Array:
        item_factors = jnp.exp(expected_log(concentrations))
        new = prior
        for factor, counts in zip(factors, words, strict=True):
            new = new + expected_counts(item_factors, factor, counts)[0]
        return new

    return jax.lax.fori_loop(0, ITEM_SWEEPS, sweep, start)


def build(options: MldaOptions, ports: tuple[Port, ...], rule: Rule) -> Module:
    """The module for inputs of `ports[m].width` words.

    `Info.bound` is the evidence lower bound after the update, nats; `Info.trace` the bound after every
    SWEEPS_PER_BOUND variational sweeps and the last. An input whose row is all zeros is missing for that item.
    """
    num_topics = options.num_classes
    iterations = options.anneal_sweeps + options.sweeps

    # What parents infer is told, not observed; where there is nothing else, it counts as observed.
    told = [port.kind is Kind.CATEGORICAL for port in ports]
    if all(told):
        told = [False] * len(ports)

    def words(inputs: Inputs) -> list[Rows]:
        weights = options.weights or [None] * len(ports)
        return [as_counts(message, weight) for message, weight in zip(inputs.parents, weights, strict=True)]

    def search_words(inputs: Inputs, share: Array) -> tuple[list[Rows], list[Rows]]:
        """Modalities observed and told; of the latter `share` words an item for each word observed."""
        item_words = words(inputs)
        observed = [counts for counts, is_told in zip(item_words, told, strict=True) if not is_told]
        mass = total_mass(observed, inputs.child.log_probs.shape[0])
        mean_mass = mass.sum() / jnp.maximum((mass > 0).sum(), 1)
        messages = [message for message, is_told in zip(inputs.parents, told, strict=True) if is_told]
        shares = jnp.full(mass.shape, share * mean_mass)
        return observed, [scaled(as_counts(message, 1.0), shares) for message in messages]

    def prior_of(inputs: Inputs) -> Array:
        # The child's message moves the prior of an item's topics; a neutral one leaves it at alpha.
        return jnp.maximum(options.alpha * num_topics * jnp.exp(inputs.child.log_probs), SMALLEST_PRIOR)

    def init(key: Array, inputs: Inputs) -> MldaState:
        num_items = inputs.child.log_probs.shape[0]
        topics = tuple(jnp.full((num_topics, port.width), options.beta, float) for port in ports)
        return MldaState(topics, jnp.full((num_items, num_topics), 1 / num_topics, float), jnp.array(False))

    def begin(key: Array, state: MldaState, inputs: Inputs) -> MldaWork:
        shape = (state.memberships.shape[0], options.restarts)
        starts = jax.random.exponential(key, (*shape, num_topics))
        starts /= starts.sum(-1, keepdims=True)  # uniform over the simplex
        starts = starts.at[:, 0].set(jnp.where(state.trained, state.memberships, starts[:, 0]))
        trace = jnp.zeros(-(-options.sweeps // SWEEPS_PER_BOUND))
        return MldaWork(jnp.int32(0), state.trained, starts, prior_of(inputs), state.topics, trace)

    def advance(work: MldaWork, inputs: Inputs, until: Array) -> MldaWork:
        for part, end in ((anneal, options.anneal_sweeps), (refine, iterations)):
            last = jnp.minimum(until, end)
            work = jax.lax.cond(work.done < last, part, lambda work, *_: work, work, inputs, last)
        return work

    def anneal(work: MldaWork, inputs: Inputs, last: Array) -> MldaWork:
        child = inputs.child.log_probs[:, None, :]
        # The last update's classes are not heated up again.
        hottest = jnp.where(work.trained & (jnp.arange(options.restarts) == 0), 1.0, START_TEMPERATURE)

        def sweep(index: Array, starts: Array) -> Array:
            heat = jnp.maximum(1 - index / (COOLING_SHARE * options.anneal_sweeps), 0.0)
            temperature = hottest**heat  # (R,)
            observed, heard = search_words(inputs, COOLEST_SHARE + (HOTTEST_SHARE - COOLEST_SHARE) * heat)
            scores = topic_scores(starts, [*observed, *heard], options.beta)
            return jax.nn.softmax((scores + child) / temperature[None, :, None], axis=-1)

        return work._replace(done=last, starts=jax.lax.fori_loop(work.done, last, sweep, work.starts))

    def refine(work: MldaWork, inputs: Inputs, last: Array) -> MldaWork:
        item_words, prior = words(inputs), prior_of(inputs)

        def sweep(_: Array, solution: tuple[Array, tuple[Array, ...]]) -> tuple[Array, tuple[Array, ...]]:
            return variational_sweep(*solution, prior, item_words, options.beta)

        def stretch(work: MldaWork) -> MldaWork:
            """To where the bound is due next, or to the last."""
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

        work = jax.lax.cond(work.done == options.anneal_sweeps, settle, lambda work, _: work, work, inputs)
        return jax.lax.while_loop(lambda work: work.done < last, stretch, work)

    def settle(work: MldaWork, inputs: Inputs) -> MldaWork:
        """From the starts to the best of them as parameters of q(theta) and q(phi)."""
        item_words, child = words(inputs), inputs.child.log_probs[:, None, :]
        observed, heard = search_words(inputs, jnp.array(COOLEST_SHARE))
        best = merits(work.starts, observed, heard, child, options.beta).argmax()
        memberships = work.starts[:, best][:, None]  # (N, 1, K)

        def sweep(_: Array, memberships: Array) -> Array:
            scores = topic_scores(memberships, item_words, options.beta)
            return jax.nn.softmax(scores + child, axis=-1)

        memberships = jax.lax.fori_loop(0, SETTLING_SWEEPS, sweep, memberships)[:, 0]
        mass = total_mass(item_words, memberships.shape[0])
        topics = tuple(options.beta + word_sums(memberships, counts) for counts in item_words)
        return work._replace(concentrations=prior_of(inputs) + memberships * mass[:, None], topics=topics)

    def end(work: MldaWork, inputs: Inputs) -> tuple[MldaState, Outputs, Info]:
        memberships = work.concentrations / work.concentrations.sum(-1, keepdims=True)
        state = MldaState(work.topics, memberships, jnp.array(True))
        return state, infer(state, inputs), Info(work.trace[-1], work.trace)

    def infer(state: MldaState, inputs: Inputs) -> Outputs:
        item_words, prior = words(inputs), prior_of(inputs)
        flat_prior = jnp.full_like(prior, options.alpha)
        forward = item_concentrations(state.topics, flat_prior, item_words)
        backward = []
        for place, topic in enumerate(state.topics):
            theta, informed = without(place, state, inputs)
            probs = theta @ (topic / topic.sum(-1, keepdims=True))  # (N, V)
            backward.append(answer(jnp.log(probs), inputs.parents[place], informed))
        theta = item_concentrations(state.topics, prior, item_words)
        items = {"class": theta.argmax(-1), "Pdz": theta / theta.sum(-1, keepdims=True)}
        return Outputs(normalized(jnp.log(forward)), tuple(backward), items)

    def without(place: int, state: MldaState, inputs: Inputs) -> tuple[Array, Array]:
        """E[theta] (N, K) from all that a message to input `place` may contain, and whether that is anything (N,)."""
        heard = range(len(ports)) if rule == "serket" else [other for other in range(len(ports)) if other != place]
        item_words, prior = words(inputs), prior_of(inputs)
        item_words = [item_words[m] for m in heard]
        theta = item_concentrations([state.topics[m] for m in heard], prior, item_words)
        informed = (total_mass(item_words, len(theta)) > 0) | (jnp.ptp(inputs.child.log_probs, axis=-1) > 0)
        return theta / theta.sum(-1, keepdims=True), informed

    def sample(key: Array, state: MldaState, inputs: Inputs) -> tuple[Message, ...]:
        topic_key, word_key = jax.random.split(key)
        drawn = []
        for place, (topic, sent) in enumerate(zip(state.topics, inputs.parents, strict=True)):
            theta, informed = without(place, state, inputs)
            # One key: all modalities of an item are about the same topic.
            item_topics = jax.random.categorical(topic_key, jnp.log(theta))
            log_probs = jnp.log(topic / topic.sum(-1, keepdims=True))[item_topics]  # (N, V)
            if not isinstance(sent, Counts):  # a parent that infers hears one class
                classes = jax.random.categorical(jax.random.fold_in(word_key, place), log_probs)
                log_probs = jnp.log(jax.nn.one_hot(classes, topic.shape[1]) + SMALLEST_PRIOR)
            drawn.append(answer(log_probs, sent, informed))
        return tuple(drawn)

    def report(state: MldaState, outputs: Outputs) -> dict[str, Array]:
        word_probs = {f"Pmdw{m}": topic / topic.sum(-1, keepdims=True) for m, topic in enumerate(state.topics)}
        return {**outputs.items, **word_probs}

    return Module(init, begin, advance, end, infer, sample, report, iterations)


def as_counts(message: Message, weight: float | None) -> Rows:
    """A modality's rows as (N, V) counts, scaled to sum to `weight` or left as they come.

    A row that says nothing, no words or all classes alike, stays or becomes a row of zeros.
    """
    if isinstance(message, Counts):
        values = message.values
    else:
        says_something = jnp.ptp(message.log_probs, axis=-1, keepdims=True) > 0
        values = jnp.where(says_something, jnp.exp(message.log_probs), 0)
    return values if weight is None else scaled(values, weight / jnp.maximum(row_sums(values), TINY))


def total_mass(words: Sequence[Rows], num_items: int) -> Array:
    """Words of each item over all modalities, (N,)."""
    return sum((row_sums(counts) for counts in words), start=jnp.zeros(num_items))


def answer(log_probs: Array, sent: Message, informed: Array) -> Message:
    """What to expect of a modality, log probabilities (N, V) of its words, in the kind of the message that it sent.

    As many words as were sent, one where none were. To a parent that infers, a neutral row where nothing else is
    known of the item, `informed` (N,) is False: how common its classes are it knows better itself.
    """
    if isinstance(sent, Counts):
        mass = row_sums(sent.values)[:, None]
        return Counts(jnp.exp(log_probs) * jnp.where(mass > 0, mass, 1))
    return normalized(jnp.where(informed[:, None], log_probs, 0))
