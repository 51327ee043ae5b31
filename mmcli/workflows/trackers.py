"""What a tracker of experiments keeps of a run: the interface of TensorBoard, MLflow and W&B."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

Tool: TypeAlias = Literal["tensorboard", "mlflow", "wandb"]
Step: TypeAlias = tuple[str, int]  # name of a measure, round


class Scalar(NamedTuple):
    """A measure after a round."""

    name: str  # mlda/acc
    step: int  # round, from 1
    value: float
    time: float  # end of the update, seconds since 1970


class Record(Protocol):
    """Record of one run at a place. What it holds is read from the place itself, so that nothing is written twice."""

    @property
    def id(self) -> str:
        """Name by which the place has the record."""

    @property
    def shown(self) -> str:
        """Where a user finds the record."""

    def written(self) -> set[Step]:
        """Measures and rounds that the record holds."""

    def describe(self, settings: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Write the settings and tags that the record does not hold yet."""

    def write(self, scalars: Sequence[Scalar]) -> None:
        """Append scalars; they are at their place when the call returns, or when the record is closed (W&B)."""

    def set_status(self, status: str) -> None:
        """Write the status of the run: running, finished, stopped or failed."""

    def close(self) -> None:
        """Close the files that are open."""


def missing_package(tool: Tool, package: str, extra: str) -> str:
    """Error where the package of a tool is not installed."""
    return f"--to {tool} needs the package {package}: pip install '.[{extra}]' in the clone"
