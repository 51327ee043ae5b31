"""Ids of the records that trackers (TensorBoard, MLflow, W&B) have of a run, kept in its directory."""

import json
from typing import Any

from mmcli.runs.json_text import parse_json
from mmcli.runs.layout import RECORDS
from mmcli.runs.reader import RunFiles
from mmcli.util import atomic


def record_id(run: RunFiles, tool: str, place: str) -> str | None:
    """Id of the record that a tool has of a run at a place; None where it has none.

    Raises:
        DamagedRunError: the file of the ids is not as mmcli writes it.
    """
    match _ids(run).get(tool, {}).get(place):
        case None:
            return None
        case str(found):
            return found
    raise run.damaged(RECORDS, "an id that is no text")


def keep_record_id(run: RunFiles, tool: str, place: str, new: str) -> None:
    """Keep the id of a record.

    Raises:
        SaveError: it cannot be written.
    """
    ids = _ids(run)
    ids[tool] = ids.get(tool, {}) | {place: new}
    with atomic.saving(run.path / RECORDS, "make the run directory writable"):
        atomic.replace(run.path / RECORDS, (json.dumps(ids, indent=2) + "\n").encode())


def _ids(run: RunFiles) -> dict[str, dict[str, Any]]:
    """Ids by place, by tool."""
    path = run.path / RECORDS
    try:
        ids = parse_json(atomic.read(path).decode()) if atomic.is_there(path) else {}
    except (OSError, ValueError) as error:
        raise run.damaged(RECORDS, str(error)) from None
    if not isinstance(ids, dict) or not all(isinstance(of_tool, dict) for of_tool in ids.values()):
        raise run.damaged(RECORDS, "no ids by tool and place")
    return ids
