"""`mmcli compare`: what differs, what each run has reached, the spread over seeds, and the plot."""

import csv
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from mmcli.plotting.draw import picture
from mmcli.plotting.style import NUM_LINES
from mmcli.runs.history import MEASURES, HistoryLine
from mmcli.runs.writer import RunDirectory
from mmcli.workflows.compare import compare_runs
from mmcli.workflows.courses import course_panel

CONFIG = """\
seed: {seed}
rounds: 2
messages: cavity
data:
  images: {{file: {file}}}
test:
  images: {{file: test.npy}}
modules:
  image: {{type: observation, data: images}}
  gmm: {{type: gmm, inputs: [image], num_classes: 3, sweeps: {sweeps}}}
"""
MLDA = "  mlda: {{type: mlda, inputs: [gmm], num_classes: 3, weights: [20.0], sweeps: {sweeps}}}\n"
HUGE = json.dumps(HistoryLine(1, "gmm", 0.5, 0.5, 0.5, 10**400, 1.0, 0.0)._asdict()) + "\n"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a run of two rounds whose modules have given ACC by round, without training."""
    monkeypatch.chdir(tmp_path)

    def write(
        name: str,
        *,
        seed: int = 0,
        sweeps: int = 10,
        file: str = "a.npy",
        digest: str = "ab12",
        config: str = CONFIG,
        status: str = "finished",
        error: str = "interrupted",
        **accs: Iterable[float | None],
    ) -> Path:
        run = RunDirectory.create(Path(name))
        text = config.format(seed=seed, sweeps=sweeps, file=file)
        run.start(text, {"seed": seed, "data": {file: digest}})
        for number, by_module in enumerate(zip(*accs.values(), strict=True), 1):
            for module, acc in zip(accs, by_module, strict=True):
                half = None if acc is None else acc / 2
                line = {"acc": acc, "ari": half, "nmi": half, "bound": -1.0, "seconds": 1.5, "compile_seconds": 9.0}
                run.append_history({"round": number, "module": module, **line})
        if status == "finished":
            run.finish()
        elif status == "failed":
            run.fail(error)
        elif status == "stopped":
            run.stop()
        return run.path

    return write


# which settings differ


def test_only_what_differs_is_a_column(make):
    paths = [make("a", gmm=[0.5, 0.5]), make("b", seed=1, sweeps=20, gmm=[0.5, 0.5])]

    comparison = compare_runs(paths)

    assert comparison.settings == ["seed", "modules.gmm.sweeps"]
    assert list(comparison.modules) == ["gmm"]


def test_a_module_that_some_runs_lack_differs_by_its_type_and_where_they_differ_that_have_it(make):
    both = CONFIG + MLDA
    paths = [
        make("a", gmm=[0.5, 0.5]),
        make("b", config=both, gmm=[0.5, 0.5], mlda=[0.5, 0.5]),
        make("c", config=both.replace("[20.0]", "[30.0]"), gmm=[0.5, 0.5], mlda=[0.5, 0.5]),
    ]

    comparison = compare_runs(paths)

    assert comparison.settings == ["modules.mlda.type", "modules.mlda.weights"]
    assert comparison.modules == {"gmm": MEASURES, "mlda": MEASURES}
    assert comparison.record()["runs"][0]["modules"]["mlda"] == {"acc": None, "ari": None, "nmi": None}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([("a.npy", "1"), ("b.npy", "1")], []),  # the same data elsewhere
        ([("a.npy", "1"), ("b.npy", "2")], ["data.images.file"]),
        ([("a.npy", "1"), ("a.npy", "2")], ["data.images.sha256"]),
        ([("a.npy", "1"), ("b.npy", "1"), ("a.npy", "2")], ["data.images.file", "data.images.sha256"]),
    ],
)
def test_data_differ_by_content_and_not_by_path(make, files, expected):
    paths = [
        make(f"run-{number}", seed=number, file=file, digest=digest, gmm=[0.5, 0.5])
        for number, (file, digest) in enumerate(files)
    ]

    comparison = compare_runs(paths)

    assert comparison.settings == ["seed", *expected]
    alike = [[str(run.path) for run in group.runs] for group in comparison.groups]
    assert alike == ([] if len({digest for _, digest in files}) == len(files) else [["run-0", "run-1"]])


@pytest.mark.parametrize("config", [CONFIG.replace("test.npy", "other.npy"), "checkpoint_every: 9\n" + CONFIG])
def test_what_no_learning_depends_on_makes_no_difference(make, config):
    paths = [make("a", gmm=[0.5, 0.5]), make("b", config=config, gmm=[0.5, 0.5])]

    assert compare_runs(paths).settings == []


def test_a_run_of_another_version_can_be_compared(make):
    paths = [make("a", gmm=[0.5, 0.5]), make("b", config=CONFIG.replace("sweeps:", "strides:"), gmm=[0.5, 0.5])]

    assert compare_runs(paths).settings == ["modules.gmm.sweeps", "modules.gmm.strides"]


def test_a_run_named_twice_is_taken_once(make):
    path = make("a", gmm=[0.5, 0.5])
    Path("link").symlink_to(path)

    assert [run.path for run in compare_runs([path, path.absolute(), Path("link")]).runs] == [path]


# the spread over seeds


def test_the_spread_is_that_of_finished_runs_which_differ_in_the_seed_only(make):
    for seed, acc in enumerate([0.7, 0.8, 0.6]):
        make(f"a-{seed}", seed=seed, vae=[None, None], gmm=[0.1, acc])
    make("a-3", seed=3, status="running", vae=[None], gmm=[0.9])
    make("b-0", sweeps=20, vae=[None, None], gmm=[0.5, 0.5])

    (group,) = compare_runs(sorted(Path().iterdir())).groups

    assert [str(run.path) for run in group.runs] == ["a-0", "a-1", "a-2"]
    assert list(group.modules) == ["gmm"]
    assert group.modules["gmm"]["acc"] == pytest.approx((0.7, 0.6, 0.8, 0.1))
    assert group.modules["gmm"]["ari"] == pytest.approx((0.35, 0.3, 0.4, 0.05))
    assert group.seconds == (6.0, 6.0, 6.0, 0.0)


def test_one_seed_has_no_spread(make):
    assert compare_runs([make("a", gmm=[0.5, 0.5]), make("b", gmm=[0.5, 0.6])]).groups == []


# what is printed


def test_the_table(make, command):
    make("a-0", config=CONFIG + MLDA, gmm=[0.5, 0.5], mlda=[0.5, 1.0])
    make("a-1", config=CONFIG + MLDA, seed=1, gmm=[0.5, 0.6], mlda=[0.5, 0.8])
    make("b", config=CONFIG + MLDA, sweeps=20, status="failed", error="gmm:\x1b[31m NaN", gmm=[0.25], mlda=[None])
    make("c", config=CONFIG + MLDA, sweeps=20, status="running")
    make("d", config=CONFIG + MLDA, sweeps=20, status="stopped")

    done = command("compare", "a-0", "a-1", "b", "c", "d")

    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "           modules.gmm.sweeps   gmm                     mlda\n"
        "run  seed  modules.mlda.sweeps  ACC     ARI     NMI     ACC     ARI     NMI     seconds  status\n"
        "a-0  0     10                   0.5000  0.2500  0.2500  1.0000  0.5000  0.5000      6.0  finished\n"
        "a-1  1     10                   0.6000  0.3000  0.3000  0.8000  0.4000  0.4000      6.0  finished\n"
        "b    0     20                   0.2500  0.1250  0.1250                              3.0"
        "  failed (round 1 of 2): gmm:\\x1b[31m NaN\n"
        "c    0     20                                                                       0.0"
        "  running (round 0 of 2)\n"
        "d    0     20                                                                       0.0"
        "  stopped (round 0 of 2)\n"
        "\n"
        "modules.gmm.sweeps\n"
        "modules.mlda.sweeps  runs  seeds            mean    minimum  maximum  deviation\n"
        "10                   2     2      gmm ACC   0.5500  0.5000   0.6000   0.0707\n"
        "                                  gmm ARI   0.2750  0.2500   0.3000   0.0354\n"
        "                                  gmm NMI   0.2750  0.2500   0.3000   0.0354\n"
        "                                  mlda ACC  0.9000  0.8000   1.0000   0.1414\n"
        "                                  mlda ARI  0.4500  0.4000   0.5000   0.0707\n"
        "                                  mlda NMI  0.4500  0.4000   0.5000   0.0707\n"
        "                                  seconds   6.0     6.0      6.0      0.0\n"
    )


def test_csv_is_in_full_precision_and_empty_where_there_is_nothing(make, command):
    make("a,\n", sweeps=20, gmm=[0.5, 1 / 3])
    make("b", config=CONFIG + MLDA, status="failed", error="no\nmemory", gmm=[0.5], mlda=[0.75])

    done = command("compare", "a,\n", "b", "--csv")

    first, second = csv.DictReader(done.out.splitlines())
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 3)
    assert first == {
        "run": "a,\\n",
        "modules.gmm.sweeps": "20",
        "modules.mlda.type": "",
        "gmm.acc": "0.3333333333333333",
        "gmm.ari": "0.16666666666666666",
        "gmm.nmi": "0.16666666666666666",
        "mlda.acc": "",
        "mlda.ari": "",
        "mlda.nmi": "",
        "seconds": "3.0",
        "status": "finished",
        "last_round": "2",
        "error": "",
    }
    ends = [second[key] for key in ("modules.mlda.type", "mlda.acc", "status", "last_round", "error")]
    assert ends == ["mlda", "0.75", "failed", "1", "no\\nmemory"]


def test_json_has_the_runs_and_their_summary(train, command):
    for seed in (0, 1):
        train("--seed", seed)

    done = command("compare", "runs/tiny-s0-001", "runs/tiny-s1-001", "--json")

    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    record = json.loads(done.out)
    learned = json.loads(Path("runs/tiny-s1-001/history.jsonl").read_text().splitlines()[-1])
    assert record["runs"][1] == {
        "run": "runs/tiny-s1-001",
        "settings": {"seed": 1},
        "modules": {name: {key: learned[key] for key in MEASURES} for name in ("gmm", "mlda")},
        "seconds": 1.0,
        "status": "finished",
        "last_round": 2,
        "error": None,
    }
    (summary,) = record["summary"]
    assert (summary["runs"], summary["seeds"], summary["settings"]) == (
        ["runs/tiny-s0-001", "runs/tiny-s1-001"],
        [0, 1],
        {},
    )
    assert summary["modules"]["gmm"]["acc"] == {"mean": 0.75, "minimum": 0.75, "maximum": 0.75, "deviation": 0.0}


def test_measures_by_own_inputs_stand_beside_those_of_a_module_with_children(make, command):
    run = make("a", config=CONFIG + MLDA, gmm=[0.5, 0.5], mlda=[0.5, 0.5])
    history = run / "history.jsonl"
    own = {"own_acc": 0.25, "own_ari": 0.1, "own_nmi": 0}
    lines = [json.loads(line) | own for line in history.read_text().splitlines()]
    history.write_text("".join(json.dumps(line) + "\n" for line in lines))

    table = command("compare", run).out.splitlines()

    assert table[0].split() == ["gmm", "mlda"]
    headers = ["own", "ACC", "own", "ARI", "own", "NMI"]
    assert table[1].split() == ["run", "ACC", "ARI", "NMI", *headers, "ACC", "ARI", "NMI", "seconds", "status"]
    values = [0.5, 0.25, 0.25, 0.25, 0.1, 0, 0.5, 0.25, 0.25]
    assert table[2].split()[1:10] == [f"{value:.4f}" for value in values]
    assert "gmm.own_acc" in command("compare", run, "--csv").out


# the plot


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is saved."""
    saved: list[Figure] = []
    save = Figure.savefig

    def remember(figure, *arguments, **options):
        saved.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", remember)
    return saved


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_plot_has_axes_for_each_module_and_a_line_for_each_run(make, command, figures):
    make("a", gmm=[0.5, 0.75])
    make("b", config=CONFIG + MLDA, sweeps=20, status="failed", gmm=[0.25], mlda=[0.5])

    done = command("compare", "a", "b", "--plot", "acc.png")

    assert (done.code, done.err) == (0, "")
    assert Path("acc.png").read_bytes().startswith(b"\x89PNG\r\n")
    (figure,) = figures
    gmm, mlda = figure.axes
    assert (gmm.get_title(), mlda.get_title()) == ("gmm", "mlda")
    assert [line.get_xydata().tolist() for line in gmm.lines] == [[[1, 0.5], [2, 0.75]], [[1, 0.25]]]
    assert [line.get_xydata().tolist() for line in mlda.lines] == [[], [[1, 0.5]]]
    assert legend(figure) == ["gmm.sweeps 10", "gmm.sweeps 20, mlda.type mlda, failed"]


def test_seeds_are_drawn_as_their_mean_in_a_band(make, figures):
    for seed, acc in enumerate([0.25, 0.75, 0.5]):
        make(f"a-{seed}", seed=seed, gmm=[acc, acc])
    make("a-3", seed=3, status="running", gmm=[1.0])

    picture(course_panel(compare_runs(sorted(Path().iterdir()))))

    (axes,) = figures[0].axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[0.5, 0.5], [1.0]]
    (band,) = axes.collections
    low, high = band.get_datalim(axes.transData).intervaly
    assert (low, high) == (0.25, 0.75)
    assert legend(figures[0]) == ["3 runs", "seed 3, running"]


def test_names_in_a_legend_are_told_apart_and_mean_nothing_to_matplotlib(make, figures):
    make("_first$", gmm=[0.5, 0.5])
    make("日本", gmm=[0.5, 0.5])
    make("failed", status="failed", gmm=[0.5])
    make("long", file="/a/long/path/to/the/data/of/this/run.npy", digest="cd", gmm=[0.5, 0.5])

    svg = picture(course_panel(compare_runs(map(Path, ("_first$", "日本", "failed")))), "svg")
    picture(course_panel(compare_runs(map(Path, ("_first$", "日本", "long")))), "svg")

    assert ET.fromstring(svg).tag.endswith("svg")
    assert legend(figures[0]) == ["_first$", "日本", "failed, failed"]
    assert legend(figures[1]) == [
        "data.images.file a.npy, _first$",
        "data.images.file a.npy, 日本",
        "data.images.file \u2026ath/to/the/data/of/this/run.npy",
    ]


def test_a_legend_of_many_stops(make, figures):
    for number in range(NUM_LINES + 2):
        make(f"run-{number:02d}", sweeps=number + 1, gmm=[0.5, 0.5])

    picture(course_panel(compare_runs(sorted(Path().iterdir()))))

    assert len(figures[0].axes[0].lines) == NUM_LINES + 2
    assert legend(figures[0])[-2:] == ["gmm.sweeps 40", "and 2 more"]


def test_a_plot_of_nothing_is_refused(make, command):
    make("a", status="running", vae=[None])

    assert command("compare", "a", "--plot", "acc.png") == (
        2,
        "",
        "mmcli: error: --plot: no module of these runs has been measured against labels yet\n",
    )


def test_a_plot_that_cannot_be_written_is_one_line(make, command):
    make("a", gmm=[0.5, 0.5])

    assert command("compare", "a", "--plot", "none/acc.svg") == (
        2,
        "",
        "mmcli: error: --plot none/acc.svg: cannot be written (No such file or directory)\n",
    )


# what cannot be compared


def test_what_is_no_run_is_refused(make, command):
    make("a", gmm=[0.5, 0.5])
    Path("b").mkdir()

    assert command("compare", "b") == (
        2,
        "",
        "mmcli: error: b: no run directory (no meta.json in it); name one that `mmcli train` printed\n",
    )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("config.yaml", "mud", 'a/config.yaml:1:1: must be a mapping with the key modules (got "mud")'),
        ("config.yaml", "seed: 0\nrounds: many\n", "seed and rounds are not whole numbers"),
        ("config.yaml", "seed: 0\nrounds: 2\nx: .nan\n", "a number that is not finite"),
        ("config.yaml", None, "a/config.yaml: no such file"),
        ("meta.json", '{"status": "finished"}', "no data files named"),
        ("meta.json", '{"status": "failed"}', "no known status"),
        ("history.jsonl", None, "ends in round 0 of 2"),
        ("history.jsonl", "mud\n", "Expecting value: line 1 column 1 (char 0)"),
        ("history.jsonl", HUGE, "int too large to convert to float"),
        ("history.jsonl", '{"round": 1}\n', "a line without round, module, acc, ari, nmi, bound, seconds, comp"),
    ],
)
def test_a_damaged_run_gives_exit_code_4(make, command, name, content, reason):
    make("a", gmm=[0.5, 0.5])
    damaged = Path("a", name)
    damaged.unlink() if content is None else damaged.write_text(content)

    done = command("compare", "a")

    assert (done.code, done.out, done.err.count("\n")) == (4, "", 1)
    assert done.err.startswith(f"mmcli: error: a/{name}: damaged run: {reason}")


# the number of classes


@pytest.fixture
def of_numbers(make: Callable[..., Path]) -> Callable[..., Path]:
    """Write a run that used so many classes and kept a score."""

    def write(name: str, number: int, score: float, *, seed: int = 0) -> Path:
        run = make(name, config=CONFIG + MLDA, seed=seed, gmm=[0.5, 0.5], mlda=[0.5, 0.5])
        history = run / "history.jsonl"
        lines = [json.loads(line) | {"num_classes_used": number} for line in history.read_text().splitlines()]
        history.write_text("".join(json.dumps(line) + "\n" for line in lines))
        found = {"score": "shared", "edges": [["gmm", "mlda"]], "starts": [0.1, score], "chosen": 2}
        found |= {"compared": "mlda", "agreement": None, "rounds": {"2": score / 2}, "kept_round": None}
        (run / "search.json").write_text(json.dumps(found))
        return run

    return write


def test_classes_used_are_a_figure_where_runs_differ(of_numbers, command):
    runs = of_numbers("a", 9, 1.0), of_numbers("b", 10, 1.5)

    table = command("compare", *runs).out.splitlines()

    assert table[1].split() == ["run", *["ACC", "ARI", "NMI", "classes"] * 2, "seconds", "status"]
    assert [line.split()[4] for line in table[2:4]] == ["9", "10"]
    assert "classes" not in command("compare", runs[0]).out


def test_the_score_is_drawn_over_the_classes_used(of_numbers, command, figures):
    runs = of_numbers("a", 9, 1.0), of_numbers("b", 10, 1.5), of_numbers("c", 10, 1.7, seed=1)

    done = command("compare", *runs, "--plot", "score.png", "--score")

    assert (done.code, done.err) == (0, "")
    (axes,) = figures[0].axes
    (line,) = axes.lines
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([9, 10], [1.0, pytest.approx(1.6)])
    assert axes.get_xlabel() == "classes of mlda with an item"


def test_a_score_of_one_number_is_not_drawn(of_numbers, command):
    alike = command("compare", of_numbers("a", 9, 1.0), "--plot", "score.png", "--score")
    without = command("compare", "a", "--score")

    text = "--score: no two finished runs with a search differ in the number of classes used"
    assert (alike.code, alike.err) == (2, f"mmcli: error: {text}\n")
    assert (without.code, without.err.splitlines()[-1]) == (
        2,
        "mmcli: error: --score needs --plot FILE, without --align",
    )
