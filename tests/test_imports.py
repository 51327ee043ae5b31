"""Imports run one way, and what is slow to import is imported by few."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mmcli

PACKAGE = Path(mmcli.__file__).parent
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# What each file of the package may import from the package; a new file gets a line here. Any may import errors.
MAY_IMPORT = {
    "mmcli": {"trained"},
    "__main__": {"cli"},
    "cli": {
        *("checking", "cli_data", "evaluation", "experiment", "generation", "progress", "reporting", "stopping"),
        *("tables", "modules", "unseen", "watching", "wording"),
    },
    "cli_data": {
        *("tables", "preparation", "preparation.pairing", "preparation.pictures", "preparation.showing"),
        *("preparation.mnist_arabic", "preparation.progress", "preparation.sounds"),
    },
    "preparation.sounds": {
        *("features.hac", "features.mfcc", "formats", "wording", "preparation.arrays_in"),
        *("preparation.arrays_out", "preparation.gathering", "preparation.listing"),
    },
    "preparation.pictures": {
        *("formats", "formats.idx", "wording"),
        *("preparation.arrays_out", "preparation.gathering", "preparation.listing"),
    },
    "preparation.pairing": {"wording", "preparation.arrays_in", "preparation.arrays_out"},
    "preparation.showing": {
        *("store", "wording"),
        *("preparation.arrays_in", "preparation.arrays_out", "preparation.charts", "preparation.panels"),
    },
    "preparation.charts": {"preparation.panels"},
    "preparation.panels": {"preparation.arrays_out"},
    "preparation.gathering": {"wording", "preparation.listing"},
    "preparation.listing": {"wording"},
    "preparation.arrays_in": {"formats", "formats.npz", "formats.opening"},
    "preparation.arrays_out": {"store", "wording"},
    "tables": {"checking", "comparison", "evaluation", "metrics", "modules", "preparation.showing", "wording"},
    "experiment": {
        *("checking", "checkpoint", "comparison", "config", "datasets", "files", "history"),
        *("resuming", "sparse", "spec", "store", "metrics", "plots", "rounds", "modules"),
    },
    "checking": {"config", "datasets", "graph", "spec"},
    "resuming": {"checkpoint", "config", "datasets", "graph", "store", "trained"},
    "stopping": set(),
    "evaluation": {"datasets", "metrics", "plots", "store", "trained", "unseen"},
    "generation": {"datasets", "plots", "store", "trained", "unseen"},
    "reporting": {"datasets", "store", "trained", "report.content", "report.page"},
    "trained": {"config", "datasets", "graph", "modules", "recognition", "sparse", "store", "wording"},
    "unseen": {"formats", "spec", "wording"},
    "recognition": {"counts", "graph", "messages", "module", "modules", "rounds", "sparse", "streamed", "trees"},
    "plots": {"comparison", "metrics", "wording"},
    "comparison": {"config", "history", "store"},
    "metrics": set(),
    "encoding": set(),
    "store": {"checkpoint", "encoding", "files", "formats", "history", "shelf"},
    "shelf": {"checkpoint", "files"},
    "checkpoint": set(),
    "files": set(),
    "progress": {"experiment", "watching", "history", "wording"},
    "report.content": {
        *("config", "datasets", "graph", "store"),
        *("report.course", "report.findings", "report.groups", "report.panels", "report.pictures"),
    },
    "report.course": {"graph", "history", "modules", "report.findings", "report.panels"},
    "report.groups": {"metrics", "report.findings", "report.panels"},
    "report.pictures": {"report.findings", "report.groups", "report.panels"},
    "report.findings": {"datasets", "graph", "history", "modules", "store"},
    "report.page": {"report.draw", "report.panels", "report.style"},
    "report.draw": {"report.draw_graph", "report.panels", "report.style"},
    "report.draw_graph": {"report.panels", "report.style"},
    "report.panels": set(),
    "report.style": set(),
    "report": set(),
    "history": set(),
    "config": {"schema", "spec", "wording", "yaml_source"},
    "schema": {"graph", "modules", "spec", "wording", "yaml_source"},
    "datasets": {"formats", "formats.opening", "graph", "modules", "sparse", "spec", "streamed", "values", "wording"},
    "sparse": set(),
    "streamed": {"sparse"},
    "values": {"sparse", "streamed", "wording"},
    "formats": {
        *("formats.blocks", "formats.cache", "formats.columns", "formats.csr", "formats.idx", "formats.npz"),
        *("formats.opening", "formats.parquet", "formats.text", "sparse", "streamed"),
    },
    "formats.csr": {"formats.npz", "sparse", "wording"},
    "formats.blocks": {"formats.npz", "formats.opening", "streamed"},
    "formats.cache": {"files", "formats.npz", "formats.opening"},
    "formats.text": {"formats.opening", "watching", "wording"},
    "formats.parquet": {"formats.columns", "formats.opening", "wording"},
    "formats.columns": {"wording"},
    "formats.idx": {"formats.opening"},
    "formats.npz": {"formats.opening", "wording"},
    "formats.opening": {"wording"},
    "watching": set(),
    "graph": {"modules", "spec", "wording"},
    "yaml_source": {"spec", "wording"},
    "wording": {"spec"},
    "spec": {"modules"},
    "rounds": {"counts", "graph", "module", "messages", "modules", "sparse", "trees"},
    "trees": set(),
    "module": {"messages"},
    "messages": {"modules"},
    "numerics": set(),
    "modules": set(),
    "mixture": {"counts"},
    "counts": set(),
    "modules.*": {"counts", "module", "messages", "mixture", "numerics", "modules"},
    "features": set(),
    "features.hac": set(),
    "features.mfcc": set(),
    "preparation": set(),
    "preparation.mnist_arabic": {
        *("features.hac", "formats.cache", "preparation.fetching", "preparation.made_folder", "preparation.mnist"),
        *("preparation.provenance", "preparation.sources", "preparation.spoken_digits", "preparation.progress"),
        "preparation",
    },
    "preparation.sources": {
        *("preparation.fetching", "preparation.mnist", "preparation.spoken_digits", "preparation.transfer"),
    },
    "preparation.fetching": {
        *("files", "formats.opening", "preparation.transfer", "preparation.progress", "wording"),
    },
    "preparation.transfer": {"preparation.progress", "wording"},
    "preparation.spoken_digits": {"formats.opening", "wording"},
    "preparation.mnist": {"formats.idx", "wording"},
    "preparation.made_folder": {"files", "wording"},
    "preparation.provenance": set(),
    "preparation.progress": set(),
    "errors": set(),
}
MAY_IMPORT_JAX = {
    *("counts", "messages", "mixture", "numerics", "module", "modules.*"),
    *("trees", "rounds", "recognition", "experiment"),
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
    if inside in MAY_IMPORT:
        return inside
    folder, _, rest = inside.partition(".")
    return f"{folder}.*" if rest else inside


@pytest.mark.parametrize("name", FILES)
def test_imports_run_one_way(name):
    allowed = {"mmcli", "mmcli.errors", *(f"mmcli.{other}" for other in MAY_IMPORT[rule(name)])}

    own = {other for other in imports(FILES[name]) if other.partition(".")[0] == "mmcli"}

    assert own <= allowed


@pytest.mark.parametrize("name", FILES)
def test_jax_is_imported_by_few(name):
    packages = {other.partition(".")[0] for other in imports(FILES[name])}

    assert not packages & {"jax", "jaxlib", "optax"} or rule(name) in MAY_IMPORT_JAX


def test_the_table_allows_no_cycle():
    below: set[str] = set()
    while ready := {name for name, allowed in MAY_IMPORT.items() if name not in below and allowed <= below | {name}}:
        below |= ready

    assert below == set(MAY_IMPORT)


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
