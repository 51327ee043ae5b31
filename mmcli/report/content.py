"""A run -> the contents of its report."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mmcli.config.graph import Graph
from mmcli.config.reader import Config
from mmcli.data.dataset import Datasets
from mmcli.report.course import graph_section, results, rounds_section, time_section
from mmcli.report.findings import read_findings
from mmcli.report.groups import agreement_section, confusion_section, latent_section
from mmcli.report.pictures import mistakes_section, pictures_section, uncertain_section
from mmcli.report.search import search_section
from mmcli.report.sections import Report, Section
from mmcli.report.signs import signs_section
from mmcli.report.words import words_section
from mmcli.runs.reader import RunFiles


def gather(run: RunFiles, config: Config, graph: Graph, datasets: Datasets | None, problem: str) -> Report:
    """Read a run, finished or not, and make its report.

    Args:
        run: files of the run.
        config: its config.
        graph: of that config.
        datasets: its training data; None where they are unavailable.
        problem: why they are.

    Raises:
        DamagedRunError: a file is not as mmcli writes it.
    """
    meta = run.meta()
    findings = read_findings(run, graph, datasets, config.data)
    widths = None if datasets is None else datasets.widths
    remarks = _course(meta, config, max((lines[-1].round for lines in findings.history.values()), default=0))
    if datasets is None:
        remarks += (f"The data are unavailable, so pictures and labels are left out: {problem}",)
    sections = (
        Section("results", "Results", tables=(results(findings.history, graph),) if findings.history else ()),
        signs_section(findings, graph),
        graph_section(graph, widths),
        search_section(findings.search, config.search.starts),
        rounds_section(findings, graph),
        confusion_section(findings),
        agreement_section(findings, graph),
        latent_section(findings),
        pictures_section(findings),
        words_section(findings),
        mistakes_section(findings),
        uncertain_section(findings),
        time_section(findings),
    )
    return Report(
        title=run.place.resolve().name,
        subject=f"a run of mmcli: {meta['status']}",
        remarks=remarks,
        sections=tuple(section for section in sections if section),
        settings=_settings(meta, config, datasets),
        config=run.config.read_text(encoding="utf-8"),
    )


def _course(meta: Mapping[str, Any], config: Config, num_done: int) -> tuple[str, ...]:
    """Remarks on a run that has not finished."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    begun = f"round {num_done} of {config.rounds}" if num_done else "no update is done yet"
    match meta["status"]:
        case "running":
            return (f"This run has not finished ({begun}), or it was killed. The page shows its results at {now}.",)
        case "stopped":
            return (f"This run was stopped ({begun}); --resume continues it. The page shows its results so far.",)
        case "failed":
            error = meta.get("error", "no reason given")
            return (f"This run failed ({error}); {begun}. The page shows its results so far.",)
    return ()


def _settings(meta: Mapping[str, Any], config: Config, datasets: Datasets | None) -> dict[str, str]:
    """Settings, versions and data of a run, by name."""
    items = {} if datasets is None else {"items": f"{datasets.num_items:,}"}
    names = ("status", "started", "ended", "host", "device", "threads", "command")
    facts = {key: str(meta[key]) for key in names if key in meta}
    versions = meta.get("versions", {})
    data = meta.get("data", {})
    return {
        "seed": str(config.seed),
        "rounds": str(config.rounds),
        "messages": config.messages,
        **items,
        **facts,
        **_commit(meta),
        **({f"version of {name}": str(text) for name, text in versions.items()} if isinstance(versions, dict) else {}),
        **({f"SHA-256 of {file}": str(text) for file, text in data.items()} if isinstance(data, dict) else {}),
    }


def _commit(meta: Mapping[str, Any]) -> dict[str, str]:
    """Commit of the config's work tree; empty where none is recorded."""
    match meta.get("git"):
        case {"commit": str(commit), "dirty": bool(is_dirty)}:
            return {"git commit": commit + ", with changes" * is_dirty}
    return {}
