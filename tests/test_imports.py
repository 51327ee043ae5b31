"""Imports run one way, and what is slow to import is imported by few."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mmcli

PACKAGE = Path(mmcli.__file__).parent
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# Which rooms the files of a room may import from; a room is a folder of the package, or a file beside them.
MAY_IMPORT = {
    "__main__": {"cli"},
    "cli": {"data", "errors", "ingest", "ingest/fetch", "mmcli", "modules", "runs", "util", "workflows"},
    "config": {"errors", "modules", "util"},
    "data": {"config", "data/formats", "errors", "modules", "util"},
    "data/formats": {"data", "errors", "util"},
    "engine": {"config", "data", "errors", "modules", "util"},
    "ingest": {"data", "data/formats", "errors", "ingest/features", "plotting", "util"},
    "ingest/features": {"errors"},
    "ingest/fetch": {"data", "data/formats", "errors", "ingest", "ingest/features", "mmcli", "util"},
    "mmcli": {"workflows"},
    "modules/gmm": {"modules"},
    "modules/mlda": {"modules"},
    "modules/vae": {"modules"},
    "plotting": {"ingest", "runs", "util", "workflows"},
    "report": {"config", "data", "mmcli", "modules", "plotting", "runs"},
    "runs": {"data", "data/formats", "errors", "util"},
    "util": {"config", "errors"},
    "workflows": {
        "config",
        "data",
        "data/formats",
        "engine",
        "errors",
        "mmcli",
        "modules",
        "plotting",
        "report",
        "runs",
        "util",
    },
}
MAY_IMPORT_JAX = {"modules", "modules/gmm", "modules/mlda", "modules/vae", "engine", "workflows"}


def room(name: str) -> str:
    """The folder of a file of the package, or the file itself where it lies beside the folders."""
    folder = FILES[name].parent.relative_to(PACKAGE).as_posix()
    return folder if folder != "." else FILES[name].stem.replace("__init__", "mmcli")


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import statement, wherever in the file it stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            module = str(node.module)
            names |= {f"{module}.{alias.name}" if f"{module}.{alias.name}" in FILES else module for alias in node.names}
    return names


def own_imports(name: str) -> set[str]:
    return {other for other in imports(FILES[name]) if other.partition(".")[0] == "mmcli"}


def arrows() -> dict[str, set[str]]:
    """The rooms that each room imports from."""
    found: dict[str, set[str]] = {room(name): set() for name in FILES}
    for name in FILES:
        found[room(name)] |= {room(other) for other in own_imports(name)} - {room(name)}
    return found


def test_rooms_import_what_they_may_and_no_permission_is_unused():
    assert arrows() == {name: MAY_IMPORT.get(name, set()) for name in map(room, FILES)}


def test_there_are_few_rooms_and_arrows():
    found = arrows()

    assert len(found) <= 20
    assert sum(map(len, found.values())) <= 75


def test_imports_run_one_way():
    TopologicalSorter({name: own_imports(name) for name in FILES}).prepare()  # raises where there is a cycle


@pytest.mark.parametrize("name", FILES)
def test_jax_is_imported_by_few(name):
    packages = {other.partition(".")[0] for other in imports(FILES[name])}

    assert not packages & {"jax", "jaxlib", "optax"} or room(name) in MAY_IMPORT_JAX


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], {"jax", "numpy", "pydantic", "rich", "yaml"}),
        (["train", "--help"], {"jax", "numpy", "pydantic", "rich", "yaml"}),
        (["modules"], {"jax", "numpy", "rich"}),
        (["data", "fetch", "--help"], {"jax", "numpy", "pydantic", "rich", "yaml"}),
        (["data", "fetch", "mnist-arabic", "--mnist-dir", "nowhere"], {"jax", "matplotlib", "sklearn"}),
        (["check", "tiny.yaml"], {"jax", "matplotlib", "sklearn"}),
        (["train", "tiny.yaml", "--set", "modules.gmm.num_classes=0"], {"jax", "matplotlib", "sklearn"}),
        (["data", "--help"], {"jax", "numpy", "pydantic", "rich", "yaml"}),
        (["data", "show", "tiny.npz"], {"jax", "librosa", "matplotlib", "sklearn"}),
        (["evaluate", "run"], {"jax"}),
        (["report", "run"], {"jax"}),
        (["compare", "run"], {"jax", "matplotlib", "scipy", "sklearn"}),
        (["compare", "run", "--plot", "acc.png"], {"jax", "scipy", "sklearn"}),
    ],
)
def test_a_command_imports_only_what_it_needs(arguments, unwanted, train):
    train("-o", "run")
    Path("bad.yaml").write_text("modules: {gmm: {type: gmm, inputs: [vae]}}\n")  # nothing of that name
    report = (
        "import sys\n"
        "from mmcli.cli.main import main\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        f"    assert not sys.modules.keys() & {unwanted!r}, sys.modules.keys() & {unwanted!r}\n"
    )

    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
