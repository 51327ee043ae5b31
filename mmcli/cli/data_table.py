"""`mmcli data table`."""

from pathlib import Path

import click

from mmcli.cli.data import FILE, OUTPUT, log
from mmcli.cli.example import example
from mmcli.ingest.tables import make_table


class Columns(click.ParamType[tuple[str, ...]]):
    """Names of columns, with commas between."""

    name = "columns"

    def convert(
        self, value: str | tuple[str, ...], _param: click.Parameter | None, _ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Convert text such as sex,zip to names."""
        return value if isinstance(value, tuple) else tuple(name.strip() for name in value.split(","))


@click.command(epilog=example("mmcli data table people.csv -o people.npz"))
@click.argument("table", metavar="TABLE.csv")
@OUTPUT
@click.option("--labels", metavar="COLUMN", help="The column of labels [labels, where there is one].")
@click.option("--categories", metavar="A,B", type=Columns(), default=(), help="Columns of numbers that are categories.")
@click.option("--drop", metavar="A,B", type=Columns(), default=(), help="Columns that are left out.")
@click.option(
    "--like", metavar="EARLIER.npz", type=FILE, help="Use the columns, means, scales and categories of this file."
)
def table(
    table: str, output: Path, labels: str | None, categories: tuple[str, ...], drop: tuple[str, ...], like: Path | None
) -> None:
    """Standardise the real columns of a table, and make its categories one-hot.

    TABLE.csv has a line of names, and commas, semicolons or tabs between columns. A cell that is empty, ?, NA, NaN or
    null is missing. OUT.npz holds reals (real columns without missing cells), an array for each other column, with rows
    of NaN where the cell is missing (missing: nan in a config), labels and label_names; give it by --like to make the
    same columns of other tables.
    """
    log(*make_table(table, output, labels=labels, categories=categories, drop=drop, like=like))
    click.echo(output)
