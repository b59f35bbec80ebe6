"""Whether the transforms of a configuration are there; asked before anything starts."""

from postroad.config.model import Config
from postroad.config.problems import Problem
from postroad.delivery.transformer import check_transform
from postroad.errors import ConfigError, UsageError


def check_transforms(config: Config) -> None:
    """Import every transform, each in a process of its own. Raises `ConfigError` with all that can't be used."""
    problems = []
    for name, place in config.destinations.items():
        if not place.transform:
            continue
        try:
            check_transform(place.transform)
        except UsageError as error:
            problems.append(Problem(("destinations", name, "transform"), str(error)))
    if problems:
        raise ConfigError(config.origin.sentences(problems))
