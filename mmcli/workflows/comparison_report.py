"""A comparison of runs -> a page about them."""

from mmcli.report.page import Page, make_page
from mmcli.report.sections import Report, Section, Table
from mmcli.util.text import counted, shown
from mmcli.workflows.compare import Comparison
from mmcli.workflows.courses import LABELS, course_panel, modules_with
from mmcli.workflows.run_text import figure_text, latest_text, measure_text, setting_text, status_text


def comparison_page(comparison: Comparison) -> Page:
    """Page that puts runs side by side, and its figures."""
    return make_page(comparison_report(comparison))


def comparison_report(comparison: Comparison) -> Report:
    """Contents of a page that puts runs side by side."""
    unfinished = [run for run in comparison.runs if run.status != "finished"]
    remarks = [f"Not finished: {counted(len(unfinished), 'run')}, with the results so far."]
    same = {key: value for key, value in comparison.runs[0].settings.items() if key not in comparison.settings}
    sections = (
        Section("results", "Results", tables=(_runs(comparison), *_spreads(comparison))),
        _rounds(comparison),
    )
    return Report(
        title=counted(len(comparison.runs), "run"),
        subject="runs of mmcli, side by side",
        remarks=tuple(remarks if unfinished else ()),
        sections=tuple(section for section in sections if section),
        settings={shown(key): setting_text(value) for key, value in same.items()},
        config="",
    )


def _runs(comparison: Comparison) -> Table:
    """Table of the settings that differ and the latest measures, a run a row."""
    columns = comparison.columns()
    measures = [
        f"{shown(module)} {measure_text(measure)}" for module, names in comparison.modules.items() for measure in names
    ]
    rows = []
    for run in comparison.runs:
        settings = [setting_text(run.settings.get(alike[0])) for alike in columns]
        latest = [
            latest_text(measure, value)
            for module, names in comparison.modules.items()
            for measure, value in run.latest(module, names).items()
        ]
        rows.append([shown(str(run.path)), *settings, *latest, f"{run.seconds:.1f}", status_text(run)])
    header = ["run", *(", ".join(map(shown, alike)) for alike in columns), *measures, "seconds", "status"]
    return Table("Where each run stands", header, rows)


def _spreads(comparison: Comparison) -> list[Table]:
    """Table of the spread over seeds, a figure a row; none where no two finished runs differ in the seed only."""
    columns = comparison.group_columns()
    rows = []
    for group in comparison.groups:
        settings = [setting_text(group.runs[0].settings.get(alike[0])) for alike in columns]
        head = [*settings, str(len(group.runs)), str(len({run.seed for run in group.runs}))]
        for module, spreads in group.modules.items():
            for measure, spread in spreads.items():
                rows.append([f"{shown(module)} {measure_text(measure)}", *head, *map(figure_text, spread)])
        seconds = ("" if value is None else f"{value:.1f}" for value in group.seconds)
        rows.append(["seconds", *head, *seconds])
    names = [", ".join(map(shown, alike)) for alike in columns]
    header = ["figure", *names, "runs", "seeds", "mean", "minimum", "maximum", "deviation"]
    return [Table("Spread over the seeds of finished runs", header, rows)] if rows else []


def _rounds(comparison: Comparison) -> Section:
    """Section on measures and objectives over the rounds."""
    measures = [measure for measure in LABELS if modules_with(comparison, measure)]
    panels = tuple(course_panel(comparison, measure) for measure in measures)
    return Section("rounds", "Round by round", panels=panels)
