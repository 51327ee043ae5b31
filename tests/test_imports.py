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

# What each file of the package may import from the package; a folder with a * is its files that have no line of their
# own. A file without a line may import none; any may import errors.
MAY_IMPORT = {
    "mmcli": {"trained"},
    "__main__": {"cli"},
    "cli": {
        *("checking", "cli_data", "evaluation", "experiment", "generation", "progress", "reporting", "stopping"),
        *("tables", "modules", "unseen", "watching", "wording"),
    },
    "cli_data": {"tables", "preparation.*"},
    "tables": {"checking", "comparison", "evaluation", "metrics", "modules", "preparation.*", "wording"},
    "preparation.*": {
        *("arrays_out", "features.hac", "features.mfcc", "files", "formats", "formats.*", "preparation.*"),
        *("watching", "wording"),
    },
    "experiment": {
        *("checking", "checkpoint", "comparison", "config", "datasets", "files", "history"),
        *("resuming", "run_files", "sparse", "spec", "store", "metrics", "plots", "rounds", "modules"),
    },
    "checking": {"config", "datasets", "graph", "spec"},
    "resuming": {"checkpoint", "config", "datasets", "graph", "run_files", "store", "trained"},
    "evaluation": {"datasets", "metrics", "plots", "store", "trained", "unseen"},
    "generation": {"arrays_out", "datasets", "files", "plots", "trained", "unseen"},
    "reporting": {"datasets", "store", "trained", "report.content", "report.page"},
    "trained": {"config", "datasets", "graph", "modules", "recognition", "run_files", "sparse", "store", "wording"},
    "unseen": {"formats", "spec", "wording"},
    "recognition": {"counts", "graph", "messages", "module", "modules", "program", "sparse", "streamed", "trees"},
    "plots": {"comparison", "metrics", "wording"},
    "comparison": {"config", "history", "run_files"},
    "store": {"checkpoint", "encoding", "files", "run_files", "shelf"},
    "files": {"wording"},
    "arrays_out": {"files", "wording"},
    "run_files": {"files", "formats", "formats.*", "history"},
    "shelf": {"checkpoint", "files"},
    "progress": {"experiment", "watching", "history", "wording"},
    "report.content": {
        *("config", "datasets", "graph", "run_files"),
        *("report.course", "report.findings", "report.groups", "report.panels", "report.pictures"),
    },
    "report.course": {"graph", "history", "modules", "report.findings", "report.panels"},
    "report.groups": {"metrics", "report.findings", "report.panels"},
    "report.pictures": {"report.findings", "report.groups", "report.panels"},
    "report.findings": {"datasets", "graph", "history", "modules", "run_files"},
    "report.page": {"report.draw", "report.panels", "report.style"},
    "report.draw": {"report.draw_graph", "report.panels", "report.style"},
    "report.draw_graph": {"report.panels", "report.style"},
    "config": {"schema", "spec", "wording", "yaml_source"},
    "schema": {"graph", "modules", "spec", "wording", "yaml_source"},
    "datasets": {"formats", "formats.*", "graph", "modules", "sparse", "spec", "streamed", "values", "wording"},
    "streamed": {"sparse"},
    "values": {"formats.*", "sparse", "streamed", "wording"},
    "formats": {"formats.*", "sparse", "streamed"},
    "formats.*": {"files", "formats.*", "sparse", "streamed", "watching", "wording"},
    "watching": {"wording"},
    "graph": {"modules", "spec", "wording"},
    "yaml_source": {"spec", "wording"},
    "wording": {"spec"},
    "spec": {"modules"},
    "rounds": {"graph", "messages", "modules", "program", "sparse", "trees"},
    "program": {"counts", "graph", "module", "messages", "modules", "sparse"},
    "module": {"messages"},
    "messages": {"modules"},
    "mixture": {"counts"},
    "modules.*": {"counts", "module", "messages", "mixture", "numerics", "modules"},
}
MAY_IMPORT_JAX = {
    *("counts", "messages", "mixture", "numerics", "module", "modules.*"),
    *("trees", "program", "rounds", "recognition", "experiment"),
}


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


def rule(name: str) -> str:
    """The line of the table that holds for a file of the package."""
    inside = name.removeprefix("mmcli.")
    every = f"{inside.partition('.')[0]}.*"
    return every if "." in inside and inside not in MAY_IMPORT and every in MAY_IMPORT else inside


def own_imports(name: str) -> set[str]:
    return {other for other in imports(FILES[name]) if other.partition(".")[0] == "mmcli"} - {"mmcli", "mmcli.errors"}


@pytest.mark.parametrize("name", FILES)
def test_a_file_imports_what_it_may(name):
    assert set(map(rule, own_imports(name))) <= MAY_IMPORT.get(rule(name), set())


def test_imports_run_one_way():
    TopologicalSorter({name: own_imports(name) for name in FILES}).prepare()  # raises where there is a cycle


@pytest.mark.parametrize("name", FILES)
def test_jax_is_imported_by_few(name):
    packages = {other.partition(".")[0] for other in imports(FILES[name])}

    assert not packages & {"jax", "jaxlib", "optax"} or rule(name) in MAY_IMPORT_JAX


def test_the_table_allows_no_cycle():
    below = set(map(rule, FILES)) - MAY_IMPORT.keys()
    while ready := {name for name, allowed in MAY_IMPORT.items() if name not in below and allowed <= below | {name}}:
        below |= ready

    assert below == set(map(rule, FILES))


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
        "from mmcli.cli import main\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        f"    assert not sys.modules.keys() & {unwanted!r}, sys.modules.keys() & {unwanted!r}\n"
    )

    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
