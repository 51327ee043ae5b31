"""The number of classes as an option: given, or to be found by what modules share. No jax."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, WithJsonSchema

from mmcli.modules.spec import Options, PositiveInt

AUTO: Final = "auto"
MOST = 30  # classes that `auto` finds

SMALL_CLUSTERS, SMALL_CLUSTERS_PER_CLASS = 256, 4  # that are joined to classes: as many as this at least

_AT_MOST = {
    "type": "object",
    "properties": {"max": {"type": "integer", "minimum": 2}},
    "required": ["max"],
    "additionalProperties": False,
}
AtMost: TypeAlias = Annotated[
    dict[Literal["max"], Annotated[PositiveInt, Field(ge=2)]], Field(min_length=1), WithJsonSchema(_AT_MOST)
]
NumClasses: TypeAlias = PositiveInt | Literal["auto"] | AtMost


class ClassOptions(Options):
    """Base of the options of a type whose number of classes may be found."""

    num_classes: NumClasses

    @property
    def is_open(self) -> bool:
        """Whether the number of classes is to be found."""
        return not isinstance(self.num_classes, int)

    @property
    def width(self) -> int:
        """Number of classes; the most that there may be where it is to be found."""
        if isinstance(self.num_classes, int):
            return self.num_classes
        return MOST if self.num_classes == AUTO else self.num_classes["max"]


def num_small_clusters(num_classes: int, num_items: int) -> int:
    """Number of clusters that a start joins to classes; of few items each is one."""
    return min(num_items, max(SMALL_CLUSTERS, SMALL_CLUSTERS_PER_CLASS * num_classes))
