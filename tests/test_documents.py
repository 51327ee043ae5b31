"""Commands and code in the pages of the repository: they parse, and what they name is there; a first hour runs."""

import ast
import importlib.util
import re
import tomllib
import webbrowser
from pathlib import Path

import click
import numpy as np
import pytest
from documents import PAGES, ROOT, blocks_of, commands_of, parse, shell_commands, spans

COMMANDS = list(shell_commands())
OWN = [(place, words[1:]) for place, words in COMMANDS if words[0] == "mmcli"]
OTHER = [(place, words) for place, words in COMMANDS if words[0] in ("make", "pip", "python")]
# Folders of the repository, in which a file that a page names has to exist.
NAMED = re.compile(r"(configs|data/mnist_arabic|examples|benchmarks|tests)/[\w./-]+")
# Blocks whose commands run, one after the other, in one folder: page, heading, text of the first line. That which
# trains another seed comes first: `compare` is shown two runs.
FIRST_HOUR = [
    ("README.md", "Usage", "RUN=$(mmcli train"),
    ("README.md", "Usage", "mmcli train configs/mnist_arabic.yaml "),
    ("README.md", "Prediction for held-out items", "mmcli evaluate RUN --test"),
    ("docs/configs.md", "A first config", "mmcli init --list"),
    ("docs/configs.md", "Before a run", "mmcli check configs/tiny.yaml"),
]
# Added where a command trains, so that it takes moments.
SMALL = [f"--set={setting}" for setting in ("modules.vae.epochs=1", "modules.gmm.sweeps=2", "modules.mlda.sweeps=2")]
SMALL += ["--set=search.starts=1", "--set=modules.gmm.chains=1", "--rounds=1"]
NUM_ITEMS = 60


def fails(page_line):
    """The error of a command line of a page; None where it parses."""
    try:
        for words in commands_of(page_line):
            parse(words[1:])
    except click.UsageError as error:
        return error.format_message()
    return None


def test_pages_are_found_with_their_commands():
    pages = {place.partition(":")[0] for place, _ in OWN}

    assert {"README.md", "CONTRIBUTING.md", "docs/configs.md", "docs/tutorials/markov.md"} <= pages
    assert len(OWN) > 40
    assert len(list(spans())) > 60


@pytest.mark.parametrize(("place", "words"), OWN, ids=[f"{place} {' '.join(words)}" for place, words in OWN])
def test_a_command_of_a_page_parses_and_the_files_it_names_are_there(place, words):
    parse(words)
    for word in words:
        for name in filter(NAMED.fullmatch, [word, word.partition("=")[2]]):
            assert (ROOT / name).exists(), place


def test_commands_in_running_text_parse():
    for page, words in spans():
        try:
            parse(words[1:], is_whole=False)
        except click.UsageError as error:
            pytest.fail(f"{page}: `{' '.join(words)}`: {error.format_message()}")


def test_a_line_that_click_would_refuse_is_found():
    assert fails("mmcli train configs/tiny.yaml --sede 3").startswith("No such option '--sede'.")
    assert fails("mmcli trian configs/tiny.yaml") == "no command trian"
    assert (
        fails("mmcli train configs/tiny.yaml --threads many")
        == "Invalid value for '--threads': 'many' is not a valid integer range."
    )
    assert fails("RUN=$(mmcli train) | mmcli modules") == "Missing argument 'CONFIG'."
    assert fails("mmcli completion bash|zsh; mmcli data fetch mnist-arabic [-o DIR] [--seed N]  # both") is None


@pytest.mark.parametrize(("place", "words"), OTHER, ids=[f"{place} {' '.join(words)}" for place, words in OTHER])
def test_scripts_targets_and_extras_of_a_page_are_there(place, words):
    match words:
        case ["make", target, *_]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), place
        case ["pip", "install", *packages]:
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            named = [re.findall(r"\w+", package) for package in packages if package.startswith(".[")]
            assert not [name for names in named for name in names if name not in extras], place
        case ["python", script, *options]:
            text = (ROOT / script).read_text()
            assert not [name for name in options if name.startswith("--") and f'"{name}"' not in text], place


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_python_of_a_page_compiles_and_its_imports_are_there(path):
    for block in blocks_of(path):
        text = "\n".join(block.lines)
        if block.language == "python" or text.startswith(("import ", "from ")):
            tree = ast.parse(text, f"{block.page}:{block.first}")
            for node in ast.walk(tree):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
                if isinstance(node, ast.ImportFrom):
                    module = importlib.import_module(str(node.module))
                    assert not [name for name in names if not hasattr(module, name)]
                else:
                    assert all(map(importlib.util.find_spec, names))


def first_hour():
    """Commands of `FIRST_HOUR`, in order."""
    blocks = [block for path in PAGES for block in blocks_of(path)]
    for page, heading, first in FIRST_HOUR:
        block = next(block for block in blocks if block[:2] == (page, heading) and block.lines[0].startswith(first))
        for line in block.lines:
            yield from (words[1:] for words in commands_of(line) if words[0] == "mmcli")


def expanded(word, run):
    """A word as the shell gives it to a command: RUN and $RUN are a run, a pattern its files."""
    word = run if word in ("RUN", "$RUN") else word
    return sorted(map(str, Path().glob(word))) if "*" in word else [word]


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A folder with the configs, few of the bundled items, and the files that a page calls the user's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(webbrowser, "open", lambda _page: True)
    for folder in ("configs", "data/mnist_arabic", "runs"):
        Path(folder).mkdir(parents=True)
    for path in (ROOT / "configs").glob("*.yaml"):
        Path("configs", path.name).write_text(path.read_text())
    for name in ("train.npz", "test.npz"):
        with np.load(ROOT / "data/mnist_arabic" / name) as bundled:
            arrays = {
                key: array[:NUM_ITEMS] if array.ndim and len(array) >= NUM_ITEMS else array
                for key, array in bundled.items()
            }
        np.savez(Path("data/mnist_arabic", name), **arrays)
    np.savez("pairs.npz", **arrays)
    np.save("a.npy", arrays["images"])
    np.savez("b.npz", speech=arrays["speech"])
    np.savez("images.npz", images=arrays["images"])
    np.savez("speech.npz", speech=arrays["speech"])


@pytest.mark.slow
@pytest.mark.usefixtures("scratch")
def test_the_commands_of_a_first_hour_run(command):
    run = None
    for words in first_hour():
        if words[0] in ("export", "rerun", "sweep"):  # they train or compile again: tests/workflows, tests/launch
            continue
        if words[0] == "track" and importlib.util.find_spec("tensorboardX") is None:  # the extra is not installed
            continue
        done = command(
            *(part for word in words for part in expanded(word, run)), *(SMALL if words[0] == "train" else [])
        )
        assert done.code == 0, (words, done.err)
        run = done.out.splitlines()[-1] if words[0] == "train" else run
