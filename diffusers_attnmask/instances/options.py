"""How objects are told apart, for Python and recipes."""

from __future__ import annotations

from typing import Any, Literal

from diffusers_attnmask.ground.options import NotNegative, Positive, Share, Shorthand, Whole, options
from diffusers_attnmask.ground.typed import choice

PUBLISHED_AREA = 512 * 512  # pixels of the image that areas refer to


@options(kw_only=True)
class InstanceOptions:
    """How the objects of one class are told apart.

    by: "components" takes every connected part of a class for an object; "attention" also takes parts apart
    at which objects touch, by normalised cuts of a graph of neighbouring places. least_area: of an object, in
    pixels of a 512 x 512 image; smaller parts go with the nearest object. most_cut: the normalised cost of a
    cut that is made. trust: how far attention counts in a link: 0 for the outline alone, 1 for its full
    weight. reach: how far apart linked places are, the deviation of a Gaussian in sides of the image.
    self_level: of the self-attention that is read, by default what the mask method reads, or nearest to 1.
    """

    by: Literal["components", "attention"] = "attention"
    least_area: NotNegative = 1500
    most_cut: Share = 0.05
    trust: Share = 0.3
    reach: Positive = 0.04
    self_level: Whole | None = None


PARTS_ALONE = InstanceOptions(by="components")


def spelled_instances(value: Any) -> Any:
    """`true` means the defaults and `components` that way of it, in recipes and in calls."""
    if isinstance(value, str):
        return {"by": value}
    return {} if value is True else None if value is False else value


ONE_WORD = Shorthand(spelled_instances, InstanceOptions | bool | str | None)


def instance_options(value: InstanceOptions | str) -> InstanceOptions:
    """The options, which may be given as their `by` alone."""
    return value if isinstance(value, InstanceOptions) else InstanceOptions(by=choice(value))
