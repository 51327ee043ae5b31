"""Mixture of one class an item over several inputs of any kind, by variational Bayes.

pi ~ Dirichlet(a, ..., a), z_t ~ pi, and given the class z_t the inputs are independent: points x ~ N(mu_k, Sigma_k)
under a normal-inverse-Wishart prior, as in a gmm; counts, each word drawn from phi_k ~ Dirichlet(beta); a Categorical
input is one word, taken in expectation. All priors are conjugate. Where the number of classes is to be found, a =
concentration / K: a symmetric Dirichlet of K classes, which for large K is a Dirichlet process; unlike truncated
stick-breaking it has no order of classes. Classes that two classes share are joined (`merging`).

An update refines several starts side by side and keeps the one of the highest evidence lower bound. From the second
update on one start is the last solution, and a fresh one has to be better by a margin.

N items, K classes, R starts, I sweeps, M inputs.

Source: Bishop (2006), section 10.2; Attias (2000), A variational Bayesian framework for graphical models; the sparse
prior: Ishwaran and Zarepour (2002), doi:10.2307/3315951.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.api import Info, Inputs, Module, Outputs
from mmcli.modules.messages import DRAWN, Message, Points, normalized
from mmcli.modules.mixture.merging import merge
from mmcli.modules.mixture.points import draw_points, one_input
from mmcli.modules.mixture.posterior import (
    Posterior,
    Priors,
    Setting,
    evidence,
    evidence_and_bound,
    fit,
    log_joint,
)
from mmcli.modules.mixture.spec import MixtureOptions
from mmcli.modules.mixture.starts import make_starts
from mmcli.modules.spec import Kind, Port, Rule
from mmcli.modules.words import prediction

FRESH_MARGIN = 0.02  # bound by which a fresh start has to be better than the last solution, nats an item
MERGE_FROM, MERGE_EVERY = 10, 2  # sweeps before the first merge, and from one to the next


class MixtureState(NamedTuple):
    """Posterior of the parameters and memberships, kept from round to round."""

    posterior: Posterior
    memberships: Array  # (N, K) P(class | item); where the next update starts
    trained: Array  # () bool, False before the first update


class MixtureWork(NamedTuple):
    """An update under way."""

    done: Array  # () int32 sweeps
    trained: Array  # () bool
    priors: Priors
    memberships: Array  # (R, N, K) of each start
    trace: Array  # (I, R) nats; 0 for the sweeps to come


def init(setting: Setting, _key: Array, inputs: Inputs) -> MixtureState:
    """Create the state before the first update: all classes alike."""
    num_classes = setting.options.width
    memberships = jnp.full((len(inputs.child.weight), num_classes), 1 / num_classes, float)
    posterior = fit(setting, setting.data(inputs), setting.priors(inputs), memberships)
    return MixtureState(posterior, memberships, jnp.array(False))


def begin(setting: Setting, key: Array, state: MixtureState, inputs: Inputs) -> MixtureWork:
    """Make the starts; after the first update one of them is the last solution."""
    options = setting.options
    starts = make_starts(setting, key, inputs)
    starts = starts.at[0].set(jnp.where(state.trained, state.memberships, starts[0]))
    trace = jnp.zeros((options.sweeps, options.restarts))
    return MixtureWork(jnp.int32(0), state.trained, setting.priors(inputs), starts, trace)


def advance(setting: Setting, work: MixtureWork, inputs: Inputs, until: Array) -> MixtureWork:
    """Run the sweeps of every start up to `until`, () int32."""
    options, data = setting.options, setting.data(inputs)

    def refined(may_merge: Array, memberships: Array) -> tuple[Array, Array]:
        posterior = fit(setting, data, work.priors, memberships)
        if options.is_open:
            join = partial(merge, options.share_prior, data, work.priors, posterior)
            memberships = jax.lax.cond(may_merge, join, lambda memberships: memberships, memberships)
            posterior = fit(setting, data, work.priors, memberships)
        joint, bound = evidence_and_bound(setting, data, work.priors, posterior)
        return jax.nn.softmax(joint, axis=-1), bound

    def sweep(index: Array, work: MixtureWork) -> MixtureWork:
        may_merge = (index >= MERGE_FROM) & (index % MERGE_EVERY == 0)
        # One start after the other: side by side their scatter matrices would fill the memory.
        memberships, bounds = jax.lax.map(partial(refined, may_merge), work.memberships)
        return work._replace(done=index + 1, memberships=memberships, trace=work.trace.at[index].set(bounds))

    advanced: MixtureWork = jax.lax.fori_loop(work.done, jnp.minimum(until, options.sweeps), sweep, work)
    return advanced


def end(setting: Setting, work: MixtureWork, inputs: Inputs) -> tuple[MixtureState, Outputs, Info]:
    """Keep the start of the highest bound."""
    # A fresh start that finds the same would only number the classes anew.
    margin = jnp.where(work.trained & (jnp.arange(setting.options.restarts) == 0), FRESH_MARGIN, 0)
    best = (work.trace[-1] + margin * work.memberships.shape[1]).argmax()
    memberships = work.memberships[best]
    posterior = fit(setting, setting.data(inputs), work.priors, memberships)
    state = MixtureState(posterior, memberships, jnp.array(True))
    return state, infer(setting, state, inputs), Info(work.trace[-1, best], work.trace[:, best])


def infer(setting: Setting, state: MixtureState, inputs: Inputs) -> Outputs:
    """Compute the outputs for given parameters; `class` is (N,), the likeliest, `Pdz` (N, K)."""
    data, posterior = setting.data(inputs), state.posterior
    by_input = evidence(setting, data, posterior)
    own = by_input.sum(0)
    forward = normalized(log_joint(posterior, own), data.known.max(axis=0))
    belief = jax.nn.softmax(log_joint(posterior, own + data.message), axis=-1)
    beliefs, informed = cavities(setting, posterior, by_input, inputs)
    means = input_means(setting, posterior)
    backward: list[Message] = []
    for place, sent in enumerate(inputs.parents):
        expected = beliefs[place] @ means[place]  # (N, width of the input)
        if isinstance(sent, Points):
            backward.append(Points(jnp.where(informed[place][:, None], expected, 0), informed[place].astype(float)))
        else:
            backward.append(prediction(jnp.log(expected), sent, informed[place]))
    return Outputs(forward, tuple(backward), {"class": belief.argmax(-1), "Pdz": belief})


def cavities(setting: Setting, posterior: Posterior, by_input: Array, inputs: Inputs) -> tuple[Array, Array]:
    """P(class | evidence that a message to each input may contain), (M, N, K), and whether there is any, (M, N)."""
    data = setting.data(inputs)
    own = 1.0 - jnp.eye(len(by_input)) if setting.rule == "cavity" else jnp.ones((len(by_input), len(by_input)))
    # Summed anew, not subtracted: what is left out may be larger than all else by more digits than float32 has.
    others = jnp.stack([(row[:, None, None] * by_input).sum(0) for row in own])
    informed = (own @ data.known + data.received[None, :]) > 0
    joint = jax.vmap(lambda each: log_joint(posterior, each + data.message))(others)
    return jax.nn.softmax(joint, axis=-1), informed


def input_means(setting: Setting, posterior: Posterior) -> dict[int, Array]:
    """Posterior mean of each input in each class, (K, its width): of points, or of the shares of words."""
    means = {}
    if posterior.points is not None:
        for number, place in enumerate(setting.point_places):
            means[place] = posterior.points.means[number, :, : setting.widths[place]]
    for place, words in zip(setting.word_places, posterior.words, strict=True):
        means[place] = words / words.sum(-1, keepdims=True)
    return means


def sample(setting: Setting, key: Array, state: MixtureState, inputs: Inputs) -> tuple[Message, ...]:
    """Draw a class for each item; from it a point, expected counts, or a drawn class for a categorical parent."""
    class_key, input_key = jax.random.split(key)
    posterior, means = state.posterior, input_means(setting, state.posterior)
    by_input = evidence(setting, setting.data(inputs), posterior)
    beliefs, informed = cavities(setting, posterior, by_input, inputs)
    drawn: list[Message] = []
    for place, sent in enumerate(inputs.parents):
        # One key: all inputs of an item are of the same class.
        classes = jax.random.categorical(class_key, jnp.log(beliefs[place]))
        own_key = jax.random.fold_in(input_key, place)
        if isinstance(sent, Points) and posterior.points is not None:
            niw = one_input(posterior.points, setting.point_places.index(place))
            points = draw_points(own_key, niw, classes)[:, : setting.widths[place]]
            drawn.append(Points(jnp.where(informed[place][:, None], points, 0), informed[place].astype(float)))
            continue
        log_probs = jnp.log(means[place])[classes]  # (N, V)
        if setting.kinds[place] is Kind.CATEGORICAL:
            words = jax.random.categorical(own_key, log_probs)
            log_probs = jnp.log(jax.nn.one_hot(words, log_probs.shape[1]) + DRAWN)
        drawn.append(prediction(log_probs, sent, informed[place]))
    return tuple(drawn)


def params(setting: Setting, state: MixtureState) -> dict[str, Array]:
    """Parameters for the run directory: shares `pi` (K,), and `mean<m>` (K, V_m) of each input; `mu` is the first's."""
    shares, means = state.posterior.shares, input_means(setting, state.posterior)
    every = {f"mean{place}": means[place] for place in range(len(setting.kinds))}
    return {"pi": shares / shares.sum(), "mu": means[0], **every}


def build(options: MixtureOptions, ports: tuple[Port, ...], rule: Rule) -> Module[MixtureState]:
    """Build the module for inputs of `ports[m].kind`.

    `Info.objective` is the evidence lower bound after the update, nats, with the child's message as further evidence;
    `Info.trace` the bound at each sweep of the start that was kept.
    """
    kinds, widths = tuple(port.kind for port in ports), tuple(port.columns for port in ports)
    setting = Setting(options, kinds, widths, rule)
    return Module(
        partial(init, setting),
        partial(begin, setting),
        partial(advance, setting),
        partial(end, setting),
        partial(infer, setting),
        options.sweeps,
        partial(sample, setting),
        partial(params, setting),
    )
