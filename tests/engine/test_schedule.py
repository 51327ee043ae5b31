"""Rounds: exact marginals on a tree by the cavity rule, randomness by name, no compile after the first round."""

import itertools
import threading
import zlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from scipy.special import log_softmax, logsumexp

from mmcli.config.graph import Graph, Node, build_graph
from mmcli.config.model import ModuleConfig, Search
from mmcli.config.reader import load_config
from mmcli.data.rows.given import Given
from mmcli.engine import runner, saving, schedule
from mmcli.engine.events import Progress, Started, Update
from mmcli.engine.plan import make_plan
from mmcli.engine.program import module_key
from mmcli.engine.routing import Program, RoundState, initial_state, receive, send_forward
from mmcli.engine.saving import Moment
from mmcli.errors import DivergedError
from mmcli.modules.api import Info, Module, Outputs
from mmcli.modules.messages import Counts, Points, combine, neutral, normalized
from mmcli.modules.registry import find_spec
from mmcli.modules.spec import Kind, Options, Port
from mmcli.util import workers

N, STATES = 5, 3
PORT = Port(Kind.CATEGORICAL, STATES)

# A tree of hidden variables in which one has two children and another two parents that learn.
TREE = {"a": ("seen_a",), "b": ("seen_b",), "c": ("a", "b"), "d": ("seen_d", "a")}
OBSERVATIONS = {
    name: np.random.default_rng(seed).poisson(0.7, (N, STATES)).astype(np.float32)
    for seed, name in enumerate(("seen_a", "seen_b", "seen_d"))
}


def everything(observations):
    """Of each observation every row is known."""
    return {name: np.ones(len(values), bool) for name, values in observations.items()}


def observed(program, observations):
    return initial_state(program, Given(observations, everything(observations), {}))


def log_table(*names):
    """What a hidden variable says of a parent, (its states, the parent's), or its own prior, (1, states): nats."""
    rng = np.random.default_rng(zlib.crc32("-".join(names).encode()))
    return log_softmax(rng.normal(0, 1.5, (STATES if len(names) > 1 else 1, STATES)), axis=-1).astype(np.float32)


class DiscreteState(NamedTuple):
    draw: Array  # () of the last key
    updates: Array  # () int32


def discrete(name, parents, *, rule="cavity", poison=None, number=jnp.nan):
    """A hidden variable of a few states under its prior, by exact inference.

    Args:
        name: of the variable; its tables follow from it.
        parents: names of what it is the cause of.
        rule: what a backward message leaves out.
        poison: where its second update puts a bad number.
        number: the bad number.
    """
    tables, prior = [log_table(name, parent) for parent in parents], log_table(name)

    def heard(table, message):
        if isinstance(message, Counts):
            return message.values @ table.T
        return jax.nn.logsumexp(message.log_probs[:, None, :] + table[None], axis=-1)  # (N, states)

    def infer(_state, inputs):
        evidence = [heard(table, message) for table, message in zip(tables, inputs.parents, strict=True)]
        forward = normalized(prior + sum(evidence))
        backward = []
        for place, table in enumerate(tables):
            left_out = evidence[place] if rule == "cavity" else 0
            others = prior + sum(evidence) - left_out + inputs.child.log_probs
            backward.append(normalized(jax.nn.logsumexp(others[:, :, None] + table[None], axis=1)))
        belief = normalized(forward.log_probs + inputs.child.log_probs)
        return Outputs(forward, tuple(backward), {"Pdz": jnp.exp(belief.log_probs)})

    def end(work, inputs):
        state, outputs = work, infer(work, inputs)
        bad = {place: jnp.where((place == poison) & (state.updates == 2), number, 0) for place in POISONS}
        return (
            state._replace(draw=state.draw + bad["state"]),
            outputs._replace(
                forward=outputs.forward._replace(log_probs=outputs.forward.log_probs + bad["forward"]),
                backward=tuple(
                    message._replace(log_probs=message.log_probs + bad["backward"]) for message in outputs.backward
                ),
            ),
            Info(bad["objective"] - 1.5, jnp.zeros(2) + bad["trace"]),
        )

    return Module(
        init=lambda key, _inputs: DiscreteState(jax.random.normal(key), jnp.int32(0)),
        begin=lambda key, state, _inputs: DiscreteState(jax.random.normal(key), state.updates + 1),
        advance=lambda work, _inputs, _until: work,
        end=end,
        infer=infer,
        sample=lambda _key, state, inputs: infer(state, inputs).backward,
        params=lambda state: {"draw": state.draw},
        iterations=2,
    )


POISONS = ("state", "forward", "backward", "objective", "trace")


def make_program(tree, module_rule="cavity", rule="cavity", **options):
    """A program of discrete modules; options are of the last one."""
    names = [*sorted(OBSERVATIONS), *tree]
    nodes = {
        name: Node(
            name=name,
            place=place,
            type=type_name,
            config=ModuleConfig(name, type_name, tree.get(name, ()), None, None, Options(), find_spec(type_name)),
            parents=tree.get(name, ()),
            children=tuple(child for child, parents in tree.items() if name in parents),
            kinds=tuple(Kind.COUNTS if parent in OBSERVATIONS else Kind.CATEGORICAL for parent in tree.get(name, ())),
        )
        for place, name in enumerate(names)
        for type_name in ["gmm" if name in tree else "observation"]
    }
    last = list(tree)[-1]
    modules = {
        name: discrete(name, parents, rule=module_rule, **(options if name == last else {}))
        for name, parents in tree.items()
    }
    return Program(Graph(nodes), modules, dict.fromkeys(tree, PORT), rule)


def rounds_of(program, num_rounds):
    """The plan of so many rounds without a search."""
    return make_plan(program.graph, Search(1, 1), num_rounds)


def updates_of(program, num_rounds):
    """The updates of a run by round and module."""
    steps = schedule.run(
        program, Moment(observed(program, OBSERVATIONS)), jax.random.key(0), rounds_of(program, num_rounds)
    )
    return {(update.round, update.module): update for update in steps if isinstance(update, Update)}


def enumerate_marginals(tree):
    """P(state | all that was observed) of every hidden variable, (N, states), by summing over all states of all."""
    log_joint = {}
    for states in itertools.product(range(STATES), repeat=len(tree)):
        of = dict(zip(tree, states, strict=True))
        log_joint[states] = np.zeros(N)
        for name, parents in tree.items():
            log_joint[states] += log_table(name)[0, of[name]]
            for parent in parents:
                row = log_table(name, parent)[of[name]].astype(np.float64)
                log_joint[states] += OBSERVATIONS[parent] @ row if parent in OBSERVATIONS else row[of[parent]]
    log_evidence = logsumexp(list(log_joint.values()), axis=0)
    marginals = {name: np.zeros((N, STATES)) for name in tree}
    for states, value in log_joint.items():
        for name, state in zip(tree, states, strict=True):
            marginals[name][:, state] += np.exp(value - log_evidence)
    return marginals


def test_cavity_rule_gives_the_marginals_of_a_tree():
    updates, marginals = updates_of(make_program(TREE), 4), enumerate_marginals(TREE)

    for round_number in (3, 4):  # the longest way, from d to b, takes three rounds
        for name, expected in marginals.items():
            np.testing.assert_allclose(updates[round_number, name].report["Pdz"], expected, atol=1e-5)


@pytest.mark.parametrize(("module_rule", "rule"), [("cavity", "serket"), ("serket", "cavity")])
def test_a_message_that_returns_or_leaves_out_siblings_misses_the_marginals(module_rule, rule):
    updates, marginals = updates_of(make_program(TREE, module_rule, rule), 4), enumerate_marginals(TREE)

    errors = [abs(updates[4, name].report["Pdz"] - expected).max() for name, expected in marginals.items()]
    assert max(errors) > 0.02


def test_a_child_receives_what_its_siblings_sent_and_never_its_own_message():
    program = make_program(TREE)
    messages = {
        child: normalized(jnp.asarray(np.random.default_rng(seed).normal(size=(N, STATES)), jnp.float32))
        for seed, child in enumerate("acd")
    }
    state = RoundState({}, {}, {("a", "c"): messages["c"], ("a", "d"): messages["d"]})

    sent = send_forward(program, state, "a", messages["a"]).forward

    assert set(sent) == {("a", "c"), ("a", "d")}
    np.testing.assert_allclose(sent["a", "c"].log_probs, combine([messages["a"], messages["d"]]).log_probs, rtol=1e-5)
    np.testing.assert_allclose(sent["a", "d"].log_probs, combine([messages["a"], messages["c"]]).log_probs, rtol=1e-5)
    serket = send_forward(program._replace(rule="serket"), state, "a", messages["a"])
    assert serket.forward == dict.fromkeys(sent, messages["a"])


def test_points_go_to_every_child_as_they_are():
    points = Points(jnp.ones((N, STATES)), jnp.ones(N))

    state = RoundState({}, {}, dict.fromkeys([("a", "c"), ("a", "d")], points))
    sent = send_forward(make_program(TREE), state, "a", points)

    assert sent.forward == {("a", "c"): points, ("a", "d"): points}


def test_before_the_first_round_only_observations_have_sent():
    program = make_program(TREE)
    state = observed(program, OBSERVATIONS)

    nothing = neutral(PORT, N).log_probs
    assert state.states == {}
    assert set(state.backward) == {("a", "c"), ("b", "c"), ("a", "d")}
    assert set(state.forward) == set(state.backward) | {("seen_a", "a"), ("seen_b", "b"), ("seen_d", "d")}
    np.testing.assert_array_equal(state.forward["seen_d", "d"].values, OBSERVATIONS["seen_d"])
    for name in TREE:
        np.testing.assert_allclose(receive(program, state, name).child.log_probs, nothing, rtol=1e-6)
    np.testing.assert_allclose(state.forward["a", "d"].log_probs, nothing, rtol=1e-6)


def test_a_new_module_changes_no_draw_of_another():
    alone, more = ({"a": TREE["a"]}, {"b": TREE["b"], "a": TREE["a"]})
    alone, more = (updates_of(make_program(tree), 2) for tree in (alone, more))

    draws = {place: update.report["draw"].item() for place, update in more.items()}
    assert len(set(draws.values())) == len(draws)  # every module and round has its own
    assert {place: update.report["draw"].item() for place, update in alone.items()} == {
        place: draws[place] for place in alone
    }


def test_a_key_depends_on_seed_name_and_round():
    keys = [
        jax.random.key_data(module_key(jax.random.key(seed), name, round_number)).tolist()
        for seed in (0, 1)
        for name in ("vae", "gmm")
        for round_number in (0, 1, 2)
    ]

    assert len(set(map(tuple, keys))) == len(keys)


def test_progress_and_updates_are_told_in_order(monkeypatch):
    monkeypatch.setattr(runner, "CHUNK_SECONDS", 0)  # one iteration at a time
    program = make_program({"a": TREE["a"], "b": TREE["b"]})

    steps = list(
        schedule.run(program, Moment(observed(program, OBSERVATIONS)), jax.random.key(0), rounds_of(program, 2))
    )

    expected = [
        step
        for round_number in (1, 2)
        for name in "ab"
        for step in ((round_number, name, 1, 2), (round_number, name, 2, 2), (round_number, name))
    ]
    told = [step[:4] if isinstance(step, Progress) else (step.round, step.module) for step in steps]
    # Waiting is told too: none done while a module still compiles, and the same again while it computes.
    told = [step for step, before in zip(told, [None, *told], strict=False) if step[2:] != (0, 2) and step != before]
    assert told == expected
    assert steps[-1].objective == -1.5
    assert set(steps[-1].params) == {"draw", "updates"}
    assert steps[-1].params["updates"] == 2


def test_iterations_are_made_as_many_at_a_time_as_fill_half_a_second():
    assert runner.next_stride(1, 0.01) == 50
    assert runner.next_stride(50, 0.25) == 100
    assert runner.next_stride(100, 1.0) == 50
    assert runner.next_stride(3, 60.0) == 1
    assert runner.next_stride(1, 0.0) > 1000


@pytest.mark.parametrize("slow", ["init", "begin", "advance", "end"])
def test_a_run_can_be_stopped_while_something_long_is_computed(monkeypatch, slow):
    program, goes_on = make_program({"a": TREE["a"]}), threading.Event()
    compile_module = runner.compile_module

    def compile_slow(*args):
        compiled = compile_module(*args)
        call = getattr(compiled, slow)
        return compiled._replace(**{slow: lambda *args: (goes_on.wait(), call(*args))[1]})

    monkeypatch.setattr(runner, "compile_module", compile_slow)
    monkeypatch.setattr(workers, "PATIENCE", 0.01)
    beginning = Moment(observed(program, OBSERVATIONS))
    before = ("init", "begin", "advance", "end").index(slow)
    steps = schedule.run(program, beginning, jax.random.key(0), rounds_of(program, 1))
    for step in steps:  # it would never end if it waited
        if (again := next(steps)) == step and step.done == (2 if slow == "end" else 0):
            break
    saved = saving.save(again.moment)
    goes_on.set()

    assert (saved.updates, saved.iterations, "work.draw" in saved.arrays) == (0, 2 * (before == 3), before == 3)
    root, plan = jax.random.key(0), rounds_of(program, 1)
    resumed = schedule.run(program, saving.load(program, plan, root, beginning.state, saved), root, plan)
    assert contents(list(resumed)[-1]) == contents(list(steps)[-1])


@pytest.mark.parametrize(("poison", "number"), [*dict.fromkeys(POISONS, np.nan).items(), ("forward", -np.inf)])
def test_a_number_that_diverged_stops_the_run(poison, number):
    program = make_program({"a": TREE["a"], "d": TREE["d"]}, poison=poison, number=number)

    with pytest.raises(DivergedError) as stopped:
        updates_of(program, 3)

    assert str(stopped.value) == (
        "module d, round 2: a number became NaN or infinite; try a smaller message_weight; "
        "where its points come from a vae, a smaller learning_rate of that"
    )
    assert stopped.value.exit_code == 3


class Recorded(NamedTuple):
    """A run, and how many compiles had been made before the end of each update."""

    updates: list[Update]
    compiles: list[int]


def record(steps):
    """Run to the end and count the compiles, of eager operations too."""
    events, done = [], Recorded([], [])

    def listen(event, _seconds, **_details):
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        for step in steps:
            if isinstance(step, Update):
                done.updates.append(step)
                done.compiles.append(len(events))
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    return done


REAL = """\
data: {pixels: {file: x.npz, key: pixels}, words: {file: x.npz, key: words}}
modules:
  image:  {type: observation, data: pixels}
  speech: {type: observation, data: words}
  vae:    {type: vae, inputs: [image], latent_dim: 2, hidden_dim: 4, epochs: 2, batch_size: 8}
  gmm:    {type: gmm, inputs: [vae], num_classes: 3, sweeps: 3, chains: 2}
  mlda:   {type: mlda, inputs: [speech, gmm], num_classes: 4, weights: [9, 9], sweeps: 2, restarts: 2}
"""
SEARCH = Search(starts=2, rounds=2)
REAL_ITEMS = 23  # shapes that no other test uses: what another has compiled would not be counted


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """Seed -> the steps of three rounds of a graph of all types; only the first call compiles the modules."""
    path = tmp_path_factory.mktemp("rounds") / "x.yaml"
    path.write_text(REAL)
    graph = build_graph(load_config(path))
    rng = np.random.default_rng(0)
    observations = {
        "image": rng.random((REAL_ITEMS, 7), np.float32),
        "speech": rng.poisson(2.0, (REAL_ITEMS, 6)).astype(np.float32),
    }
    compile_module, compiled = runner.compile_module, {}

    def compile_once(program, name, *args):
        key = name, *program.outputs.values()  # of the finer program too
        if key not in compiled:
            compiled[key] = compile_module(program, name, *args)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "compile_module", compile_once)
        known = {"image": np.arange(REAL_ITEMS) != 9, "speech": np.arange(REAL_ITEMS) > 4}  # some rows are missing
        yield lambda seed, saved=None, search=SEARCH: schedule.train_rounds(
            graph, Given(observations, known, {}), seed=seed, rounds=3, search=search, rule="cavity", saved=saved
        )


@pytest.fixture(scope="module")
def trained_once(train):
    return record(train(0))


def contents(update):
    """All that an update says but its times, to the bit."""
    trace = np.zeros(0) if update.trace is None else update.trace
    arrays = {**update.report, **update.params, "trace": trace, "objective": np.float64(update.objective)}
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()}


def test_nothing_compiles_after_the_first_round(trained_once):
    *_, after_first = trained_once.compiles[:3]

    assert after_first >= 12  # init, begin, advance and end of each
    assert trained_once.compiles[3:9] == [trained_once.compiles[3]] * 6
    assert trained_once.compiles[3] <= after_first + 12  # the score, and small operations on messages


def test_nothing_compiles_after_the_first_round_where_several_receive_from_one():
    num_items = N + 3  # shapes of its own
    observations = {name: np.ones((num_items, STATES), np.float32) for name in OBSERVATIONS}
    program = make_program(TREE)

    done = record(
        schedule.run(program, Moment(observed(program, observations)), jax.random.key(0), rounds_of(program, 3))
    )

    *_, after_first = done.compiles[: len(TREE)]
    assert after_first >= 4 * len(TREE)
    assert done.compiles[len(TREE) :] == [after_first] * 2 * len(TREE)


def test_parameters_are_named_by_their_path_and_reports_have_a_row_an_item(trained_once):
    vae, gmm, mlda = trained_once.updates[6:9]

    assert {"params.encoder.weights", "params.output.bias"} <= set(vae.params)
    assert {"labels", "params.log_weights", "params.means", "params.whiteners"} <= set(gmm.params)
    assert {"topics.0", "topics.1"} <= set(mlda.params)
    assert vae.report["z"].shape == (REAL_ITEMS, 2)
    assert gmm.report["Pdz"].shape == (REAL_ITEMS, 3)
    assert mlda.report["class"].shape == (REAL_ITEMS,)
    assert mlda.report["Pmdw1"].shape == (4, 3)


def test_same_seed_same_bytes_and_another_seed_others(train, trained_once):
    same, other = record(train(0)), record(train(1))

    assert list(map(contents, same.updates)) == list(map(contents, trained_once.updates))
    # The best round of one run may be its last, and need not be given once more.
    both = zip(trained_once.updates[:9], other.updates[:9], strict=True)
    assert all(contents(ours) != contents(theirs) for ours, theirs in both)


def searched(steps):
    """The starts of a search, which ends there."""
    starts = []
    for step in steps:
        if isinstance(step, Started):
            starts.append(step)
        elif starts and isinstance(step, Update):
            return starts
    raise AssertionError("no update after the search")


def test_a_start_of_one_round_has_states_of_all_modules(train):
    first, second = searched(train(0, search=Search(2, 1)))

    assert first.score > 0
    assert second.score > 0
    assert second.moment.best.state.states.keys() == {"vae", "gmm", "mlda"}


def test_a_start_that_diverged_is_not_chosen(train, monkeypatch):
    scores = iter([np.nan, 0.25])
    monkeypatch.setattr(runner, "shared_information", lambda *_: next(scores, 0.125))

    _, second = searched(train(0))

    assert second.moment.scores == (0, 0.25)
    assert second.moment.best.score == 0.25


def recorded_after(at):
    """Number of updates that a run gives before so many turns: those of the search are not among them."""
    is_over = at.updates == 11 and int(at.arrays["best.round"]) == 3  # the best round is written once more
    return 12 if is_over else at.updates if at.updates <= 3 else max(3, at.updates - 2)


def test_a_run_goes_on_from_any_moment_to_the_same_bytes(train, trained_once, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(runner, "CHUNK_SECONDS", 0)  # one iteration at a time
        steps = list(train(0))
        moments = [step.moment for step in steps if not isinstance(step, Update) or step.is_whole]
        found = {step.start: step.classes.tolist() for step in steps if isinstance(step, Started)}
        saved = {(at.updates, at.iterations): saving.save(at) for at in moments}
    # Between updates and in the middle of one; of the mlda's 42 sweeps before and after it turns variational.
    saved = [at for place, at in saved.items() if place[1] in (0, 1, 2, 40, 41, 42)]
    assert len(saved) == 11 + 1 + 3 * (2 + 2 + 5)
    assert [set(found[start]) <= set(range(4)) and len(found[start]) for start in (1, 2)] == [REAL_ITEMS] * 2

    for at in saved[::3]:
        steps = list(train(0, at))
        starts = {step.start: step.classes.tolist() for step in steps if isinstance(step, Started)}
        assert starts == {start: found[start] for start in (1, 2) if start > at.updates - 3}
        resumed = [step for step in steps if isinstance(step, Update)]
        assert [contents(update) for update in resumed] == [
            contents(update) for update in trained_once.updates[recorded_after(at) :]
        ]


def test_what_an_earlier_version_saved_resumes_to_the_same_bytes(train, trained_once, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(runner, "CHUNK_SECONDS", 0)  # one iteration at a time
        saved = [saving.save(step.moment) for step in train(0)]
    within_gmm = next(at for at in saved if (at.updates, at.iterations) == (6, 2))
    between = next(at for at in saved if (at.updates, at.iterations) == (7, 0))
    for at in (within_gmm, between):
        # Messages had no weight, and the work of an update was laid out otherwise.
        of_before = {
            name.replace("work.state.", "work."): array
            for name, array in at.arrays.items()
            if name not in ("forward.gmm.mlda.weight", "backward.gmm.mlda.weight")
        }
        assert len(of_before) == len(at.arrays) - 2

        resumed = [step for step in train(0, at._replace(arrays=of_before)) if isinstance(step, Update)]

        assert [contents(update) for update in resumed] == [
            contents(update) for update in trained_once.updates[recorded_after(at) :]
        ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iterations": 99}, "99 iterations of mlda are done where there are 42"),
        ({"updates": 99}, "99 updates are done of 11"),
        ({"arrays": {}}, ": missing"),
    ],
)
def test_what_was_saved_elsewhere_is_refused(train, change, message):
    at = next(saving.save(step.moment) for step in train(0) if isinstance(step, Update) and step.module == "gmm")

    with pytest.raises(ValueError, match=message):
        train(0, at._replace(**change))
