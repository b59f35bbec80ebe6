"""Whether the transforms of a configuration are there."""

from collections.abc import Sequence

from postroad.config.model import Config
from postroad.config.problems import Problem
from postroad.errors import UsageError
from postroad.shaping.transformer import check_transform


def transform_problems(config: Config) -> Sequence[Problem]:
    """Import every transform, each in a process of its own, and return what is wrong with those that can't be used."""
    problems = []
    for name, place in config.destinations.items():
        if not place.transform:
            continue
        try:
            check_transform(place.transform)
        except UsageError as error:
            problems.append(Problem(("destinations", name, "transform"), str(error)))
    return problems
