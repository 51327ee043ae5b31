"""Forms of the covariances of Gaussian components, and the one that suits a number of items. No jax."""

from typing import Literal, TypeAlias

from mmcli.modules.class_count import AUTO

Covariance: TypeAlias = Literal["full", "diagonal", "tied"]


def suitable_form(
    chosen: Covariance | Literal["auto"], num_classes: int, num_items: int, num_columns: int
) -> Covariance:
    """Form of the covariances; where it is auto, a full one needs a class to have as many items as columns."""
    if chosen != AUTO:
        return chosen
    return "full" if num_items >= num_classes * num_columns else "diagonal"
