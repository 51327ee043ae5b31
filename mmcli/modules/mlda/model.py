"""Multimodal latent Dirichlet allocation by variational inference from an annealed start.

theta_t ~ Dirichlet(alpha), phi_mk ~ Dirichlet(beta) for modality m; each of an item's words of modality
m picks a topic from theta_t and itself from phi_m of that topic. A modality's rows are scaled to sum to
its weight, as real numbers. A Categorical parent is a modality of K words, taken in expectation.

An update has two parts. It looks for classes as a mixture, one class an item, from several starts side by side:
the last solution, or small clusters joined to classes (`agglomeration`); classes that the inputs have in common when
each is reduced to a few clusters (`latent_classes`); and random ones cooled from a high temperature. Each input counts
for the independent words that it is worth.
The sweep of the highest `word_mixtures.score` stands for a start, and the start of the highest score of held-out items
goes on: evidence, and above all the information that the inputs share. From there the variational sweeps start.

Of many items, classes are searched for among a random part (`searched`); the variational sweeps are over all.

N items, S of them searched, K topics, V_m words of modality m, M modalities, R starts.

Source: Blei, Ng and Jordan (2003), JMLR 3, section 5.2; Nakamura, Nagai and Iwahashi (2009),
doi:10.1109/IROS.2009.5354412; annealing: Ueda and Nakano (1998), doi:10.1016/S0893-6080(97)00133-0.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.agglomeration import SMALL_CLUSTER_ITERATIONS, ward
from mmcli.modules.api import Info, Inputs, Module, Outputs
from mmcli.modules.class_count import AUTO, num_small_clusters
from mmcli.modules.counts import word_sums
from mmcli.modules.latent_classes import best_classes, num_clusters, random_memberships, views_of
from mmcli.modules.messages import Categorical, Counts, Message, normalized, of_kind
from mmcli.modules.mlda.searched import memberships_of_all, searched, searched_places
from mmcli.modules.mlda.setting import JUDGEMENT, SMALLEST_PRIOR, Setting
from mmcli.modules.mlda.spec import MldaOptions
from mmcli.modules.mlda.starts import effective_words
from mmcli.modules.mlda.variational import elbo, item_concentrations, total_mass, variational_sweep
from mmcli.modules.spec import Port, Rule
from mmcli.modules.word_mixtures import beliefs_without, class_information, class_shares, fit, fit_held_out, score
from mmcli.modules.words import BETA, as_counts, clusters_of, joint_clusters, prediction

SWEEPS_PER_BOUND = 10  # variational sweeps from one value of the bound in the trace to the next
HOTTEST_SHARE = 0.5  # start temperature, as a share of the words of an item
COOLING_SHARE = 0.9  # of the annealing sweeps; the rest run at temperature 1
CO_EM_SHARE = 0.5  # of the annealing sweeps in which a view's words are fitted to the beliefs of the others
HELD_OUT_FROM = 20  # items a class; of fewer, folds would leave too few of a class to judge by
FRESH_MARGIN = 0.02  # score by which a fresh start has to be better than the last solution, nats an item


class MldaState(NamedTuple):
    """Topics and memberships, kept from round to round."""

    topics: tuple[Array, ...]  # (K, V_m) parameters of q(phi_m), a Dirichlet for each topic
    memberships: Array  # (N, K) P(topic | item) of the mixture that the next update starts from
    trained: Array  # () bool, False before the first update
    words: Array | None = None  # (M,) what each modality's rows are scaled to sum to, where `weights` is auto


class MldaWork(NamedTuple):
    """An update under way."""

    done: Array  # () int32, sweeps done: those that anneal, then the variational ones
    trained: Array  # () bool
    words: Array  # (M,) independent words that an item of each modality is worth in the search
    weights: Array  # (M,) what its rows are scaled to sum to in the variational sweeps, where `weights` is auto
    beliefs: tuple[Array, ...]  # (S, R, K) memberships that each modality is fitted to next, of each start
    log_shares: Array  # (R, K)
    best: Array  # (S, R, K) memberships of the highest score of each start
    best_score: Array  # (R,)
    concentrations: Array  # (N, K) parameters of q(theta)
    topics: tuple[Array, ...]
    trace: Array  # (I,) nats; 0 for the sweeps to come


def init(setting: Setting, _key: Array, inputs: Inputs) -> MldaState:
    """Create the state before the first update: topics at their prior, uniform memberships."""
    num_items, num_topics = len(inputs.child.weight), setting.options.width
    widths = [setting.width(message) for message in inputs.parents]
    topics = tuple(jnp.full((num_topics, width), BETA, float) for width in widths)
    words = jnp.ones(len(widths)) if setting.options.weights == AUTO else None
    return MldaState(topics, jnp.full((num_items, num_topics), 1 / num_topics, float), jnp.array(False), words)


def begin(setting: Setting, key: Array, state: MldaState, inputs: Inputs) -> MldaWork:
    """Make the starts, memberships (S, R, K): the first is the last solution, or clusters that were joined."""
    options, places = setting.options, searched_places(setting.options.width, inputs)
    every, inputs = inputs, searched(options.width, inputs)
    last = state.memberships if places is None else state.memberships[jnp.asarray(places)]
    sizes_key, random_key, start_key = jax.random.split(key, 3)
    sizes = weights = words_worth(setting, sizes_key, inputs)
    if state.words is not None:  # kept, so that the bounds of all updates compare
        weights = jnp.where(state.trained, state.words, sizes)
        sizes = jnp.where(setting.has_words, weights, sizes)
    starts = random_memberships(random_key, (len(last), options.restarts, options.width))
    joined = partial(joined_start, setting, jax.random.fold_in(key, 0), inputs, sizes)
    starts = starts.at[:, 0].set(jax.lax.cond(state.trained, lambda: last, joined))
    if setting.num_informed:
        informed = informed_starts(setting, start_key, inputs, sizes)
        starts = starts.at[:, options.restarts - setting.num_informed :].set(informed)
    trace = jnp.zeros(-(-options.sweeps // SWEEPS_PER_BOUND))
    return MldaWork(
        jnp.int32(0),
        state.trained,
        sizes,
        weights,
        (starts,) * len(setting.kinds),
        class_shares(starts),
        starts,
        jnp.full(options.restarts, -jnp.inf),
        setting.prior(every),
        state.topics,
        trace,
    )


def words_worth(setting: Setting, key: Array, inputs: Inputs) -> Array:
    """Independent words that an item of each modality is worth, (M,)."""
    sizes = []
    for place, message in enumerate(inputs.parents):
        if isinstance(message, Counts):
            counts = as_counts(message, None)
            (beta,) = setting.betas([counts])
            sizes.append(effective_words(jax.random.fold_in(key, place), counts, setting.options.width, beta))
        else:
            sizes.append(jnp.float32(JUDGEMENT))
    return jnp.stack(sizes)


def joined_start(setting: Setting, key: Array, inputs: Inputs, sizes: Array) -> Array:
    """Start from small clusters of all modalities that are joined until there are K, (S, K) one-hot."""
    counts = [as_counts(message, None) for message in inputs.parents]
    most = num_small_clusters(setting.options.width, len(inputs.child.weight))
    belongs, squares = joint_clusters(key, counts, list(sizes), most, SMALL_CLUSTER_ITERATIONS)
    classes = ward(squares, belongs.sum(0), setting.options.width)
    return belongs @ jax.nn.one_hot(classes, setting.options.width)


def informed_starts(setting: Setting, key: Array, inputs: Inputs, sizes: Array) -> Array:
    """Starts that the modalities have in common, (S, R', K): the best of many latent class models."""
    clusters_key, classes_key = jax.random.split(key)
    views = setting.views(inputs, sizes)
    most = num_clusters(setting.options.width, len(views.child))
    senses = [
        clusters_of(jax.random.fold_in(clusters_key, place), as_counts(message, None), most)
        if isinstance(message, Counts)
        else as_counts(of_kind(message, Categorical), 1.0)
        for place, message in enumerate(inputs.parents)
    ]
    return best_classes(classes_key, views_of(senses, views.child), setting.num_informed, views)


def advance(setting: Setting, work: MldaWork, inputs: Inputs, until: Array) -> MldaWork:
    """Run the sweeps up to `until`, () int32: first those of the search, then the variational ones."""
    anneal_sweeps = setting.options.anneal_sweeps
    for part, end in ((search, anneal_sweeps), (refine, anneal_sweeps + setting.options.sweeps)):
        last = jnp.minimum(until, end)
        work = jax.lax.cond(work.done < last, partial(part, setting), lambda work, *_: work, work, inputs, last)
    return work


def search(setting: Setting, work: MldaWork, inputs: Inputs, last: Array) -> MldaWork:
    """Run the sweeps of the search up to `last`, () int32, and keep the best memberships of each start."""
    options = setting.options
    views = setting.views(searched(options.width, inputs), work.words)
    place = jnp.arange(options.restarts)
    is_informed = place >= options.restarts - setting.num_informed
    hottest = jnp.where((place == 0) | is_informed, 1.0, jnp.maximum(HOTTEST_SHARE * work.words.sum(), 1.0))

    def sweep(index: Array, work: MldaWork) -> MldaWork:
        fitted = fit(views, work.beliefs, work.log_shares)
        scores, memberships = score(views, fitted), jax.nn.softmax(fitted.joint, axis=-1)
        is_better = scores > work.best_score
        heat = jnp.maximum(1 - index / (COOLING_SHARE * options.anneal_sweeps), 0.0)
        temperature = hottest**heat  # (R,)
        is_shared = is_informed & (index < CO_EM_SHARE * options.anneal_sweeps) & (setting.rule == "cavity")
        tempered = jax.nn.softmax(fitted.joint / temperature[None, :, None], axis=-1)
        return work._replace(
            beliefs=beliefs_without(fitted, jnp.where(is_shared, 0.0, 1.0), temperature),
            log_shares=class_shares(tempered),
            best=jnp.where(is_better[None, :, None], memberships, work.best),
            best_score=jnp.maximum(scores, work.best_score),
        )

    found: MldaWork = jax.lax.fori_loop(work.done, last, sweep, work)
    return found._replace(done=last)


def refine(setting: Setting, work: MldaWork, inputs: Inputs, last: Array) -> MldaWork:
    """Run variational sweeps from the best start, up to sweep `last`, () int32, of all."""
    options, prior = setting.options, setting.prior(inputs)
    is_first = work.done == options.anneal_sweeps
    work = jax.lax.cond(is_first, partial(settle, setting), lambda work, _: work, work, inputs)
    item_words = setting.words(inputs, work.weights)
    betas = setting.betas(item_words)
    iterations = options.anneal_sweeps + options.sweeps

    def sweep(_: Array, solution: tuple[Array, tuple[Array, ...]]) -> tuple[Array, tuple[Array, ...]]:
        return variational_sweep(*solution, prior, item_words, betas)

    def stretch(work: MldaWork) -> MldaWork:
        """Run the sweeps up to the next value of the bound, or to the last."""
        place = (work.done - options.anneal_sweeps) // SWEEPS_PER_BOUND
        due = jnp.minimum(options.anneal_sweeps + (place + 1) * SWEEPS_PER_BOUND, iterations)
        end = jnp.minimum(due, last)
        solution = (work.concentrations, work.topics)
        concentrations, topics = jax.lax.fori_loop(work.done, end, sweep, solution)
        bound = jax.lax.cond(
            end == due,
            lambda: elbo(concentrations, prior, topics, item_words, betas),
            lambda: work.trace[place],
        )
        trace = work.trace.at[place].set(bound)
        return work._replace(done=end, concentrations=concentrations, topics=topics, trace=trace)

    return jax.lax.while_loop(lambda work: work.done < last, stretch, work)


def settle(setting: Setting, work: MldaWork, inputs: Inputs) -> MldaWork:
    """Compute q(theta) and q(phi) from the best start, and in the first update what each modality counts for."""
    views = setting.views(searched(setting.options.width, inputs), work.words)
    if len(work.best) < HELD_OUT_FROM * setting.options.width:
        fitted = fit(views, (work.best,) * len(setting.kinds), class_shares(work.best))
    else:
        fitted = fit_held_out(views, work.best)
    scores = score(views, fitted)
    # A fresh start that finds the same would only number the classes anew.
    margin = jnp.where(work.trained & (jnp.arange(len(scores)) == 0), FRESH_MARGIN, 0)
    start = (scores + margin).argmax()
    memberships = work.best[:, start]  # (S, K)
    nats = [
        class_information(memberships, evidence[:, start], known)
        for evidence, known in zip(fitted.evidence[:-1], views.known, strict=True)  # the last is the child's
    ]
    weights = jnp.where(work.trained, work.weights, setting.auto_weights(work.words, jnp.stack(nats)))
    if searched_places(setting.options.width, inputs) is not None:
        memberships = memberships_of_all(memberships, views, setting.views(inputs, work.words))  # (N, K)
    item_words = setting.words(inputs, weights)
    mass = total_mass(item_words, memberships.shape[0])
    topics = tuple(
        beta + word_sums(memberships, counts)
        for beta, counts in zip(setting.betas(item_words), item_words, strict=True)
    )
    concentrations = setting.prior(inputs) + memberships * mass[:, None]
    return work._replace(weights=weights, concentrations=concentrations, topics=topics)


def end(setting: Setting, work: MldaWork, inputs: Inputs) -> tuple[MldaState, Outputs, Info]:
    """Compute the state and the outputs after the last sweep."""
    memberships = work.concentrations / work.concentrations.sum(-1, keepdims=True)
    words = work.weights if setting.options.weights == AUTO else None
    state = MldaState(work.topics, memberships, jnp.array(True), words)
    return state, infer(setting, state, inputs), Info(work.trace[-1], work.trace)


def infer(setting: Setting, state: MldaState, inputs: Inputs) -> Outputs:
    """Compute the outputs for given topics; `class` is (N,), `Pdz` (N, K)."""
    item_words, prior = setting.words(inputs, state.words), setting.prior(inputs)
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
    item_words, prior = setting.words(inputs, state.words), setting.prior(inputs)
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
