"""Options that commands share."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import click

from mmcli.data.selection import Request


def data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that choose the data of a command, which gets them as one argument, `request`."""

    @click.option(
        "--data",
        metavar="[NAME=]FILE",
        multiple=True,
        help="An .npz of arrays by the keys of the config, or the array of one sense.",
    )
    @click.option("--test", is_flag=True, help="The held-out data that the config names under test:.")
    @click.option(
        "--known", metavar="NAME=FILE", multiple=True, help="Which rows of a sense are there: 1 for yes, 0 for no."
    )
    @click.option("--missing", type=click.Choice(["nan"]), help="Rows that hold nothing but NaN are not there.")
    @functools.wraps(command)
    def with_request(
        data: tuple[str, ...], test: bool, known: tuple[str, ...], missing: Literal["nan"] | None, **others: Any
    ) -> None:
        command(request=Request(data, test, known, missing), **others)

    return with_request
