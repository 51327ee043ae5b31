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
    "__main__": {"cli"},
    "arrays_out": {"files", "wording"},
    "census": {"graph", "modules", "sparse"},
    "checking": {"config", "datasets", "graph", "memory", "relocation", "spec"},
    "cli": {
        *("checking", "cli_data", "environment", "evaluation", "experiment", "files", "generation"),
        *("modules", "progress", "reporting", "stopping", "streams", "tables", "unseen", "watching"),
        *("wording", "workers"),
    },
    "cli_data": {"preparation.*", "tables"},
    "comparison": {"config", "history", "run_files"},
    "config": {"schema", "spec", "wording", "yaml_source"},
    "datasets": {
        *("formats", "formats.*", "graph", "labels", "masks", "observations", "sparse", "spec"),
        *("streamed", "units", "values", "wording"),
    },
    "devices": {"wording"},
    "evaluation": {"labels", "metrics", "plots", "store", "trained", "unseen", "wording"},
    "experiment": {
        *("checking", "checkpoint", "comparison", "config", "datasets", "devices", "files", "history"),
        *("labels", "metrics", "modules", "plots", "resuming", "rounds", "run_files", "spec", "store"),
        *("units", "wording", "workers"),
    },
    "files": {"wording"},
    "formats": {"formats.*", "sparse", "streamed"},
    "formats.*": {"files", "formats.*", "sparse", "streamed", "watching", "wording"},
    "generation": {"arrays_out", "files", "plots", "trained", "unseen"},
    "graph": {"modules", "spec", "wording"},
    "labels": {"formats", "masks", "sparse", "values", "wording"},
    "masks": {"streamed", "values"},
    "memory": {"datasets", "graph", "modules", "sparse", "spec", "wording"},
    "messages": {"modules"},
    "metrics": {"labels"},
    "mixture": {"counts"},
    "mmcli": {"trained"},
    "module": {"messages"},
    "modules.*": {"counts", "messages", "mixture", "module", "modules", "numerics"},
    "observations": {"census", "graph", "masks", "modules", "sparse", "spec", "streamed", "units", "values"},
    "plots": {"comparison", "figures", "metrics", "wording"},
    "preparation.*": {
        *("arrays_out", "features.hac", "features.mfcc", "figures", "files", "formats", "formats.*"),
        *("labels", "preparation.*", "watching", "wording"),
    },
    "program": {"counts", "graph", "messages", "module", "modules", "sparse", "streamed"},
    "progress": {"experiment", "history", "watching"},
    "recognition": {
        *("counts", "devices", "graph", "messages", "module", "modules", "program", "sparse", "streamed"),
        *("trees", "workers"),
    },
    "relocation": {"config", "datasets", "formats.*", "graph", "run_files", "spec", "wording"},
    "report.content": {
        *("config", "datasets", "graph", "report.course", "report.findings", "report.groups"),
        *("report.panels", "report.pictures", "run_files"),
    },
    "report.course": {"graph", "history", "modules", "report.findings", "report.panels"},
    "report.draw": {"report.draw_graph", "report.panels", "report.style", "wording"},
    "report.draw_graph": {"report.panels", "report.style"},
    "report.findings": {"datasets", "graph", "history", "labels", "modules", "run_files"},
    "report.groups": {"labels", "metrics", "report.findings", "report.panels"},
    "report.page": {"report.draw", "report.panels", "report.style"},
    "report.pictures": {"report.findings", "report.groups", "report.panels"},
    "report.style": {"figures"},
    "reporting": {"datasets", "relocation", "report.content", "report.page", "store", "trained"},
    "resuming": {"checkpoint", "config", "datasets", "graph", "relocation", "run_files", "store", "trained"},
    "rounds": {"devices", "graph", "messages", "modules", "program", "sparse", "streamed", "trees", "workers"},
    "run_files": {"files", "formats.*", "history", "labels", "wording"},
    "schema": {"graph", "modules", "spec", "wording", "yaml_source"},
    "shelf": {"checkpoint", "files"},
    "spec": {"modules"},
    "store": {"checkpoint", "encoding", "files", "run_files", "shelf"},
    "streamed": {"sparse"},
    "tables": {"checking", "comparison", "evaluation", "metrics", "modules", "preparation.*", "wording"},
    "trained": {
        *("config", "datasets", "graph", "labels", "modules", "recognition", "relocation", "run_files"),
        *("sparse", "store", "units", "unseen", "wording"),
    },
    "units": {"graph", "modules", "sparse", "wording"},
    "unseen": {"formats", "spec", "wording"},
    "values": {"formats.*", "sparse", "streamed", "units", "wording"},
    "watching": {"wording"},
    "wording": {"spec"},
    "yaml_source": {"spec", "wording"},
}
MAY_IMPORT_JAX = {
    *("counts", "messages", "mixture", "numerics", "module", "modules.*"),
    *("trees", "program", "rounds", "recognition", "devices"),
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
