"""Whether what a configuration points to can be used: certificates and transforms. Asked before anything starts."""

from postroad.config.model import Config
from postroad.errors import ConfigError
from postroad.runtime.certificates import tls_problems
from postroad.runtime.transforms import transform_problems


def check_surroundings(config: Config) -> None:
    """Load the certificate as the server will, and import every transform, each in a process of its own.

    Raises `ConfigError` with all that can't be used.
    """
    problems = [*tls_problems(config.server), *transform_problems(config)]
    if problems:
        raise ConfigError(config.origin.sentences(problems))
