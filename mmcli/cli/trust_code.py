"""The option that lets a config or a run directory name code."""

import click

trust_code_option = click.option(
    "--trust-code",
    is_flag=True,
    help="Import and run module types that the config names by import path, package.module:SPEC.",
)
