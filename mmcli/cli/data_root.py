"""The option that finds data which were moved."""

from pathlib import Path

import click

data_root_option = click.option(
    "--data-root",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where the run's data files are if they were moved: each by the end of its path, and its SHA-256.",
)
