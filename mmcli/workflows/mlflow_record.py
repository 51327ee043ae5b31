"""Record of a run in MLflow: a run of an experiment, in a database of SQLite or on a tracking server."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mmcli.errors import UsageError
from mmcli.util.text import shown
from mmcli.workflows.trackers import Scalar, Step, missing_package

EXPERIMENT = "mmcli"  # unless MLFLOW_EXPERIMENT_NAME names another
_STATUSES = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED", "running": "RUNNING"}
_BATCH = 100  # params and tags of one call, as servers take them; of metrics 1000
_SQLITE = "sqlite:///"


class MlflowRecord:
    """One run of MLflow.

    Args:
        place: tracking URI.
        known: id of the run there; None where there is none yet.
        name: of the run, for a new record.

    Raises:
        UsageError: mlflow is not installed, or the place does not answer or refuses.
    """

    def __init__(self, place: str, known: str | None, name: str) -> None:
        # A server that is not there is noticed after seconds, not minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        try:
            import mlflow.entities
            from mlflow.exceptions import MlflowException
            from mlflow.tracking import MlflowClient
        except ImportError:
            raise UsageError(missing_package("mlflow", "mlflow-skinny", "mlflow")) from None
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it reports that it makes tables
        self._place, self._entities, self._error = place, mlflow.entities, MlflowException
        with self._refusals():
            self._client = MlflowClient(tracking_uri=place)
            self.id = known if known is not None and self._is_there(known) else self._new(name)

    @property
    def shown(self) -> str:
        """Id of the run."""
        return self.id

    def written(self) -> set[Step]:
        """Names and steps of all metrics."""
        with self._refusals():
            names = self._client.get_run(self.id).data.metrics
            return {(name, one.step) for name in names for one in self._client.get_metric_history(self.id, name)}

    def describe(self, settings: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Write tags, and the settings that the run does not hold: MLflow lets none change."""
        with self._refusals():
            held = self._client.get_run(self.id).data.params
            params = [self._entities.Param(key, value) for key, value in settings.items() if key not in held]
            given = [self._entities.RunTag(key, value) for key, value in tags.items()]
            for first in range(0, max(len(params), len(given)), _BATCH):
                self._client.log_batch(
                    self.id, params=params[first : first + _BATCH], tags=given[first : first + _BATCH]
                )

    def write(self, scalars: Sequence[Scalar]) -> None:
        """Append scalars."""
        metrics = [self._entities.Metric(name, value, round(1000 * time), step) for name, step, value, time in scalars]
        with self._refusals():
            for first in range(0, len(metrics), 10 * _BATCH):
                self._client.log_batch(self.id, metrics=metrics[first : first + 10 * _BATCH])

    def set_status(self, status: str) -> None:
        """Set the status of the run."""
        with self._refusals():
            if status == "running":
                self._client.update_run(self.id, status=_STATUSES[status])
            else:
                self._client.set_terminated(self.id, status=_STATUSES[status])

    def close(self) -> None:
        """Close nothing: each call has a connection of its own."""

    def _is_there(self, known: str) -> bool:
        try:
            return bool(self._client.get_run(known).info.lifecycle_stage == "active")
        except self._error as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise

    def _new(self, name: str) -> str:
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        found = self._client.get_experiment_by_name(experiment)
        number = self._client.create_experiment(experiment) if found is None else found.experiment_id
        return str(self._client.create_run(number, run_name=name).info.run_id)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn errors of MLflow into one line.

        Raises:
            UsageError: the block raised one.
        """
        try:
            yield
        except (self._error, ImportError, OSError) as error:  # ImportError: of sqlalchemy, which the skinny one lacks
            reason = shown(str(error), 200)
            raise UsageError(f"{shown(self._place, 160)}: MLflow: {reason}; name another place with -o") from None


def mlflow_place(asked: str | None) -> str:
    """Tracking URI of a place: a URI, or the file of a database of SQLite; by default as MLflow has it."""
    asked = asked or os.environ.get("MLFLOW_TRACKING_URI") or "mlflow.db"
    if "://" in asked and not asked.startswith(_SQLITE):
        return asked
    return f"{_SQLITE}{Path(asked.removeprefix(_SQLITE)).absolute()}"  # the same from wherever it is asked
