"""A report -> one self-contained HTML page, and its figures as files."""

from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from mmcli.plotting.draw import draw
from mmcli.plotting.style import Files
from mmcli.report.sections import Report
from mmcli.util.version import __version__


class Page(NamedTuple):
    """Contents of the files of a report."""

    html: bytes
    figures: dict[str, bytes]  # content by file name


def make_page(report: Report) -> Page:
    """Draw every figure and write the page."""
    drawn = {panel.name: draw(panel) for section in report.sections for panel in section.panels}
    html = render("report.html.j2", report=report, drawn=drawn, version=__version__)
    figures: dict[str, bytes] = {}
    for name, files in drawn.items():
        figures |= {f"{name}.png": files.png, f"{name}.svg": files.svg.encode()}
    # Text of others in a run may hold characters that UTF-8 cannot encode.
    return Page(html.encode(errors="replace"), figures)


def render(template: str, **values: Any) -> str:
    """Fill a template of this folder; text is escaped, and the filter `uri` turns a figure into an address."""
    environment = Environment(
        loader=PackageLoader("mmcli.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["uri"] = _uri
    return environment.get_template(template).render(**values)


def _uri(files: Files) -> str:
    """Data URI of a figure."""
    return "data:image/svg+xml," + quote(files.page_svg, safe=" /:;=+,()!*@?'")
