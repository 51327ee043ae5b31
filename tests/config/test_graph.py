"""The graph: places, neighbours, kinds and sizes of messages, and every way in which modules do not fit."""

import dataclasses

import pytest
from toys import RUNNING

from mmcli.config import graph as graphs
from mmcli.config import schema
from mmcli.config.graph import build_graph
from mmcli.config.reader import load_config
from mmcli.errors import ConfigError
from mmcli.modules.registry import find_spec
from mmcli.modules.spec import InputSpec, Kind, Port

DATA = "data: {a: {file: a.npz, key: a}, b: {file: a.npz, key: b}}\nmodules:\n"
TUTORIAL = """\
  image:  {type: observation, data: a}
  speech: {type: observation, data: b}
  vae:    {type: vae, inputs: [image], latent_dim: 18}
  gmm:    {type: gmm, inputs: [vae], num_classes: 10}
  mlda:   {type: mlda, inputs: [speech, gmm], num_classes: 7}
"""
WIDTHS = {"image": 784, "speech": 2400}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Text of `modules` -> config."""
    monkeypatch.chdir(tmp_path)

    def from_modules(text):
        (tmp_path / "x.yaml").write_text(DATA + text)
        return load_config("x.yaml")

    return from_modules


def test_nodes_are_in_the_order_written_with_their_neighbours(load):
    nodes = build_graph(load(TUTORIAL)).nodes

    assert list(nodes) == ["image", "speech", "vae", "gmm", "mlda"]
    assert [node.place for node in nodes.values()] == [0, 1, 2, 3, 4]
    assert [node.parents for node in nodes.values()] == [(), (), ("image",), ("vae",), ("speech", "gmm")]
    assert [node.children for node in nodes.values()] == [("vae",), ("mlda",), ("gmm",), ("mlda",), ()]
    assert nodes["mlda"].kinds == (Kind.COUNTS, Kind.CATEGORICAL)
    assert nodes["vae"].type == nodes["vae"].config.type == "vae"


def test_folders_are_called_as_in_the_tutorial(load):
    graph = build_graph(load(TUTORIAL))

    assert [graph.folder(name) for name in ("vae", "gmm", "mlda")] == [
        "module002_vae",
        "module003_gmm",
        "module004_mlda",
    ]


def test_ports_have_the_width_of_what_is_sent(load):
    graph = build_graph(load(TUTORIAL))

    assert graph.ports(WIDTHS) == {
        "vae": (Port(Kind.POINTS, 784),),
        "gmm": (Port(Kind.POINTS, 18),),
        "mlda": (Port(Kind.COUNTS, 2400), Port(Kind.CATEGORICAL, 10)),
    }
    assert graph.output_port("speech", WIDTHS) == Port(Kind.COUNTS, 2400)
    assert graph.output_port("mlda", WIDTHS) == Port(Kind.CATEGORICAL, 7)


def test_one_observation_is_points_for_one_child_and_counts_for_another(load):
    graph = build_graph(
        load(
            "  o: {type: observation, data: a}\n"
            "  gmm: {type: gmm, inputs: [o], num_classes: 3}\n"
            "  mlda: {type: mlda, inputs: [o, gmm], num_classes: 3}\n"
        )
    )

    assert graph.nodes["o"].children == ("gmm", "mlda")
    assert graph.ports({"o": 5}) == {
        "gmm": (Port(Kind.POINTS, 5),),
        "mlda": (Port(Kind.COUNTS, 5), Port(Kind.CATEGORICAL, 3)),
    }


def test_an_edge_has_the_kind_that_its_child_prefers(load, register):
    fond = InputSpec((Kind.POINTS, Kind.COUNTS))
    register(dataclasses.replace(find_spec("mlda"), name="fond", inputs=fond))

    graph = build_graph(
        load(
            "  o: {type: observation, data: a}\n"
            "  fond: {type: fond, inputs: [o], num_classes: 3}\n"
            "  mlda: {type: mlda, inputs: [o], num_classes: 3}\n"
        )
    )

    assert graph.nodes["fond"].kinds == (Kind.POINTS,)
    assert graph.nodes["mlda"].kinds == (Kind.COUNTS,)


def joined(_options, ports):
    """As wide as all inputs together, in the kind of the first."""
    widths = [port.width for port in ports]
    return Port(ports[0].kind, None if None in widths else sum(widths))


JOIN = dataclasses.replace(
    RUNNING, name="join", inputs=InputSpec((Kind.POINTS, Kind.CATEGORICAL), minimum=2), sends=tuple(Kind), output=joined
)


def test_the_width_and_kind_of_a_message_can_come_from_the_inputs(load, register):
    register(JOIN)
    modules = (
        "  a: {type: observation, data: a}\n"
        "  b: {type: observation, data: b}\n"
        "  both: {type: join, inputs: [a, b]}\n"
        "  g: {type: gmm, inputs: [both], num_classes: 3}\n"
        "  h: {type: gmm, inputs: [a], num_classes: 4}\n"
        "  again: {type: join, inputs: [g, h]}\n"
        "  mlda: {type: mlda, inputs: [again], num_classes: 3}\n"
    )

    graph = build_graph(load(modules))

    assert graph.output_port("both", {"a": 5, "b": 2}) == Port(Kind.POINTS, 7)
    assert graph.ports({"a": 5, "b": 2})["g"] == (Port(Kind.POINTS, 7),)
    assert graph.ports({"a": 5, "b": 2})["mlda"] == (Port(Kind.CATEGORICAL, 7),)
    with pytest.raises(ConfigError, match=r"modules\.mlda\.inputs\[0\]: both \(join\) sends points, but mlda takes"):
        load(modules.replace("inputs: [again]", "inputs: [both]"))
    with pytest.raises(ConfigError, match=r"modules\.both\.inputs: join takes at least 2 inputs \(got a\)"):
        load(modules.replace("inputs: [a, b]", "inputs: [a]"))


def test_a_type_checks_its_options_while_the_config_is_read_and_again_with_the_data(load, register):
    def at_most_columns(options, ports):
        if ports[0].width is not None and options.latent_dim > ports[0].width:
            yield "latent_dim", f"at most {ports[0].width}, the columns of the input"
        if options.latent_dim == 13:
            yield None, "13 brings bad luck"

    register(dataclasses.replace(find_spec("vae"), name="pca", check=at_most_columns))
    text = TUTORIAL.replace("type: vae", "type: pca")

    graph, places = build_graph(load(text)), load(text).places

    graph.refuse_misfits(WIDTHS, places)
    with pytest.raises(ConfigError) as caught:
        graph.refuse_misfits({**WIDTHS, "image": 17}, places)
    assert caught.value.problems == ("x.yaml:5:52: modules.vae.latent_dim: at most 17, the columns of the input",)
    with pytest.raises(ConfigError) as caught:
        load(text.replace("latent_dim: 18", "latent_dim: 13"))
    assert caught.value.problems == ("x.yaml:5:11: modules.vae: 13 brings bad luck",)
    with pytest.raises(ConfigError) as caught:  # known without any data
        load(text + "  two: {type: pca, inputs: [vae], latent_dim: 19}\n")
    assert caught.value.problems == ("x.yaml:8:47: modules.two.latent_dim: at most 18, the columns of the input",)


def test_options_that_could_not_be_read_are_not_checked_again(load):
    with pytest.raises(ConfigError) as caught:
        load(TUTORIAL.replace("num_classes: 7", "weights: [1]"))

    number = "a whole number, at least 1 or auto or {max: a whole number, at least 2}"
    assert caught.value.problems == (f"x.yaml:7:3: modules.mlda.num_classes: missing; it must be {number}",)


PROBLEMS = [
    (
        "an input that does not exist",
        ("[vae]", "[vea]"),
        ["6:32: modules.gmm.inputs[0]: no module vea (did you mean vae?)"],
    ),
    (
        "nothing like it",
        ("[vae]", "[qqqqq]"),
        ["6:32: modules.gmm.inputs[0]: no module qqqqq; there are image, speech, vae, mlda"],
    ),
    (
        "data are no module",
        ("[image]", "[a]"),
        [
            "5:32: modules.vae.inputs[0]: no module a; there are image, speech, gmm, mlda",
        ],
    ),
    (
        "its own input",
        ("[speech, gmm]", "[speech, gmm, mlda]"),
        ["7:46: modules.mlda.inputs[2]: a cycle: mlda -> mlda; leave one out: messages flow back by themselves"],
    ),
    (
        "a cycle of two",
        ("[image]", "[gmm]"),
        [
            "5:32: modules.vae.inputs[0]: a cycle: vae -> gmm -> vae; leave one out: messages flow back by themselves",
        ],
    ),
    (
        "a long cycle",
        ("[image]", "[mlda]"),
        [
            (
                "5:32: modules.vae.inputs[0]: a cycle: vae -> gmm -> mlda -> vae; "
                "leave one out: messages flow back by themselves"
            )
        ],
    ),
    (
        "the wrong order",
        ("  vae:    {type: vae, inputs: [image], latent_dim: 18}\n", ""),
        ["5:32: modules.gmm.inputs[0]: vae is written after gmm; move it up: modules update in the order written"],
    ),
    (
        "the same input twice",
        ("[speech, gmm]", "[speech, gmm, gmm]"),
        ["7:46: modules.mlda.inputs[2]: gmm is listed twice; remove one"],
    ),
    (
        "too many inputs",
        ("[image]", "[image, speech]"),
        ["5:31: modules.vae.inputs: vae takes 1 input (got image, speech)"],
    ),
    (
        "a kind that nobody understands",
        ("[speech, gmm]", "[speech, vae]"),
        ["7:41: modules.mlda.inputs[1]: vae (vae) sends points, but mlda takes counts, categorical"],
    ),
    (
        "a kind that one does not understand",
        (
            "inputs: [vae], num_classes: 10}",
            "inputs: [vae], num_classes: 10}\n  g2: {type: gmm, inputs: [gmm], num_classes: 3}",
        ),
        ["7:28: modules.g2.inputs[0]: gmm (gmm) sends categorical, but gmm takes points"],
    ),
    (
        "too few weights",
        ("num_classes: 7", "num_classes: 7, weights: [200]"),
        ["7:72: modules.mlda.weights: one per input: 2, not 1"],
    ),
    (
        "too many weights",
        ("num_classes: 7", "num_classes: 7, weights: [1, 2, 3]"),
        ["7:72: modules.mlda.weights: one per input: 2, not 3"],
    ),
    (
        "labels where no classes are found",
        ("type: vae", "labels: a, type: vae"),
        ["5:20: modules.vae.labels: vae finds no classes that labels could measure; remove it"],
    ),
    (
        "an observation nobody hears",
        ("[speech, gmm]", "[gmm]"),
        ["4:11: modules.speech: no module has it among its inputs; add it to one, or remove it"],
    ),
]


@pytest.mark.parametrize(("change", "lines"), [row[1:] for row in PROBLEMS], ids=[row[0] for row in PROBLEMS])
def test_modules_that_do_not_fit_are_refused_with_the_config(change, lines, load):
    assert TUTORIAL.count(change[0]) == 1
    text = TUTORIAL.replace(*change)
    if not change[1]:
        text += change[0]

    with pytest.raises(ConfigError) as caught:
        load(text)

    assert caught.value.problems == tuple(f"x.yaml:{line}" for line in lines)


def test_a_module_that_cannot_be_read_brings_no_problems_of_its_neighbours(load):
    with pytest.raises(ConfigError) as caught:
        load(TUTORIAL.replace("type: vae", "type: vea"))

    assert caught.value.problems == ('x.yaml:5:18: modules.vae.type: no type "vea" (did you mean vae?)',)


def test_of_many_names_the_first_twenty_are_listed(load):
    many = "".join(f"  m{number}: {{type: gmm, inputs: [vae], num_classes: 2}}\n" for number in range(30))

    with pytest.raises(ConfigError) as caught:
        load(TUTORIAL.replace("[vae]", "[qqqqq]") + many)

    (line,) = caught.value.problems
    assert line.startswith(
        "x.yaml:6:32: modules.gmm.inputs[0]: no module qqqqq; there are image, speech, vae, mlda, m0, "
    )
    assert line.endswith(", m14, m15 and 14 more")


def test_the_modules_are_checked_once_from_the_file_to_the_graph(load, monkeypatch):
    checked = []
    for module in (graphs, schema):
        monkeypatch.setattr(module, "find_problems", lambda modules, _rule: checked.append(list(modules)) or iter(()))

    graph = build_graph(load(TUTORIAL))

    assert checked == [list(graph.nodes)]
