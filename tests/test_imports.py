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

# Rooms from the ground up; a room imports from floors below its own only. A room is a folder of the package, or a file
# beside the folders; the folders of the types of modules are one room, so that a new type needs no line here.
FLOORS = (
    {"errors", "data/rows"},
    {"modules", "util"},
    {"modules/*", "testing"},
    {"config", "data/formats", "plotting"},
    {"data"},
    {"runs"},
    {"engine", "ingest", "launch", "report"},
    {"ingest/fetch", "workflows"},
    {"cli", "mmcli"},
    {"__main__"},
)
# Which rooms the files of a room may import from.
MAY_IMPORT = {
    "__main__": {"cli"},
    "cli": {"config", "data", "errors", "ingest", "ingest/fetch", "launch", "modules", "runs", "util", "workflows"},
    "config": {"errors", "modules", "util"},
    "data": {"config", "data/formats", "data/rows", "errors", "modules", "util"},
    "data/formats": {"data/rows", "errors", "util"},
    "engine": {"config", "data/rows", "errors", "modules", "util"},
    "ingest": {"config", "data", "data/formats", "errors", "modules", "plotting", "util"},
    "ingest/fetch": {"data", "data/formats", "errors", "ingest", "util"},
    "mmcli": {"util", "workflows"},
    "modules": {"errors"},
    "modules/*": {"modules"},
    "launch": {"config", "errors", "runs", "util"},
    "report": {"config", "data", "modules", "plotting", "runs", "util"},
    "plotting": {"util"},
    "testing": {"modules"},
    "runs": {"data", "data/formats", "data/rows", "errors", "util"},
    "util": {"errors"},
    "workflows": {
        *("config", "data", "data/rows", "engine", "errors", "launch", "modules", "plotting", "report"),
        *("runs", "util"),
    },
}
# Files that import a part of mmcli inside a function: what is checked before does not wait for what is slow.
SEAMS = {
    "mmcli.cli.check",
    "mmcli.cli.compare",
    "mmcli.cli.data_fetch",
    "mmcli.cli.evaluate",
    "mmcli.cli.report",
    "mmcli.cli.sweep",
    "mmcli.cli.sweep_steps",
    "mmcli.cli.train",
    "mmcli.ingest.contents",
    "mmcli.workflows.check",
    "mmcli.workflows.export",
    "mmcli.workflows.generate",
    "mmcli.workflows.learned_run",
    "mmcli.workflows.train",
    "mmcli.workflows.trained_run",
}
MAY_IMPORT_JAX = {"modules", "modules/*", "engine", "testing", "workflows"}


def room(name: str) -> str:
    """The room of a file of the package."""
    folder = FILES[name].parent.relative_to(PACKAGE)
    if folder.parent.as_posix() == "modules":
        return "modules/*"
    return folder.as_posix() if folder.parts else FILES[name].stem.replace("__init__", "mmcli")


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import statement, wherever in the file it stands."""
    return set().union(*map(named, ast.walk(ast.parse(path.read_text()))))


def named(node: ast.AST) -> set[str]:
    """The modules that an import statement names; none where a node is no import statement."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "a relative import"
        module = str(node.module)
        return {f"{module}.{alias.name}" if f"{module}.{alias.name}" in FILES else module for alias in node.names}
    return set()


def own_imports(name: str) -> set[str]:
    return {other for other in imports(FILES[name]) if other.partition(".")[0] == "mmcli"}


def arrows() -> dict[str, set[str]]:
    """The rooms that each room imports from."""
    found: dict[str, set[str]] = {room(name): set() for name in FILES}
    for name in FILES:
        found[room(name)] |= {room(other) for other in own_imports(name)} - {room(name)}
    return found


def local_imports(name: str) -> list[str]:
    """The parts of mmcli that a file imports inside a function, a statement each."""
    functions = [node for node in ast.walk(ast.parse(FILES[name].read_text())) if isinstance(node, ast.FunctionDef)]
    statements = {node: named(node) for function in functions for node in ast.walk(function)}
    return [str(modules) for modules in statements.values() if any(other in FILES for other in modules)]


def test_rooms_import_what_they_may_and_no_permission_is_unused():
    assert arrows() == {name: MAY_IMPORT.get(name, set()) for name in map(room, FILES)}


def test_no_arrow_runs_upward_or_along_a_floor():
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}

    assert floor.keys() == set(map(room, FILES))
    assert not {(name, other) for name, others in arrows().items() for other in others if floor[other] >= floor[name]}


def test_there_is_no_circle_of_rooms():
    TopologicalSorter(arrows()).prepare()  # raises where there is one


def test_there_are_few_rooms_and_arrows():
    found = arrows()

    assert len(found) <= 20
    assert sum(map(len, found.values())) <= 75


def test_no_type_of_modules_imports_another():
    for name, path in FILES.items():
        if room(name) == "modules/*":
            others = {FILES[other].parent for other in own_imports(name) if room(other) == "modules/*"}
            assert others <= {path.parent}, name


def test_local_imports_are_few_and_where_they_may_be():
    found = {name: statements for name in FILES if (statements := local_imports(name))}

    assert found.keys() == SEAMS
    assert sum(map(len, found.values())) <= 24


def test_imports_run_one_way():
    TopologicalSorter({name: own_imports(name) for name in FILES}).prepare()  # raises where there is a cycle


@pytest.mark.parametrize("name", FILES)
def test_jax_is_imported_by_few(name):
    packages = {other.partition(".")[0] for other in imports(FILES[name])}

    assert not packages & {"jax", "jaxlib", "optax"} or room(name) in MAY_IMPORT_JAX


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], {"jax", "numpy", "pydantic", "rich", "yaml", "mmcli.cli.train", "mmcli.cli.data"}),
        (["train", "--help"], {"jax", "numpy", "pydantic", "rich", "yaml"}),
        (["modules"], {"jax", "numpy", "rich"}),
        (["data", "fetch", "--help"], {"jax", "numpy", "pydantic", "rich", "yaml"}),
        (["data", "fetch", "mnist-arabic", "--mnist-dir", "nowhere"], {"jax", "matplotlib", "sklearn"}),
        (["check", "tiny.yaml"], {"jax", "matplotlib", "sklearn"}),
        (["train", "tiny.yaml", "--set", "modules.gmm.num_classes=0"], {"jax", "matplotlib", "sklearn"}),
        (["data", "--help"], {"jax", "numpy", "pydantic", "rich", "yaml", "mmcli.cli.data_show"}),
        (["data", "show", "tiny.npz"], {"jax", "librosa", "matplotlib", "sklearn"}),
        (["sweep", "--help"], {"jax", "numpy", "pydantic", "rich", "yaml"}),
        (["sweep", "tiny.yaml", "--grid", "modules.gmm.num_classes=0"], {"jax", "matplotlib", "sklearn"}),
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
