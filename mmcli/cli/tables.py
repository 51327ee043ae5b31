"""Text in columns."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def stacked(headers: Sequence[tuple[str, ...]]) -> list[list[str]]:
    """The lines of a heading whose cells have several, one above the other; short ones stand at the bottom."""
    height = max(map(len, headers))
    return [list(line) for line in zip(*(("",) * (height - len(header)) + header for header in headers), strict=True)]
