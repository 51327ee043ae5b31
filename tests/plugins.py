"""The package of examples/plugin, installed as a user would, and packages made up to be wrong."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from tiny import tiny_arrays

EXAMPLE = Path(__file__).parents[1] / "examples" / "plugin"


def install(package: Path, site: Path) -> Path:
    """Install a package by pip into a folder of its own, without a network; the folder, for sys.path."""
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(site), str(package)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return site


def train(folder: Path, config: str, *options: str, path: Path) -> Path:
    """A finished run of a config on the tiny data, in a process of its own that has `path` on sys.path."""
    np.savez(folder / "tiny.npz", **tiny_arrays())
    (folder / "tiny.yaml").write_text(config)
    command = [sys.executable, "-m", "mmcli", "train", "tiny.yaml", "-o", "run", *options]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(path), *sys.path])}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def copy_of_example(folder: Path, version: str) -> Path:
    """The source of the example as another version."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    project = folder / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "0.1.0"', f'version = "{version}"'))
    return folder


def offer(site: Path, package: str, entry: str, code: str = "") -> None:
    """Put what pip would leave of a package into a folder: `code` as its module, and an entry point "name = path"."""
    module, info = package.replace("-", "_"), site / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[mmcli.modules]\n{entry}\n")
    (site / f"{module}.py").write_text(code)
