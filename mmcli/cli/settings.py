"""Options that replace values of a config."""

from collections.abc import Callable

import click


def settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that replace values of a config: `seed`, `rounds` and `overrides` of the command."""
    for option in (
        click.option(
            "--set",
            "overrides",
            metavar="KEY=VALUE",
            multiple=True,
            help="Any value of the config: modules.vae.epochs=20.",
        ),
        click.option("--rounds", type=int, help="Number of rounds, instead of the config's."),
        click.option("--seed", type=int, help="Seed of all random draws, instead of the config's."),
    ):
        command = option(command)
    return command
