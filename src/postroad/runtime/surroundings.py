"""Whether what a configuration points to can be used: data folder, certificates, transforms. Asked before anything
starts.
"""

import os
import ssl
from collections.abc import Sequence

from postroad.config.model import Config, Server
from postroad.config.problems import Problem
from postroad.errors import ConfigError, UsageError
from postroad.shaping.transformer import check_transform
from postroad.storage.files import why_not_ours


def check_surroundings(config: Config) -> None:
    """Look who else may write in the data folder, load the certificate as the server will, and import every transform,
    each in a process of its own.

    Raises `ConfigError` with all that can't be used.
    """
    problems = [*_folder_problems(config.server), *_tls_problems(config.server), *_transform_problems(config)]
    if problems:
        raise ConfigError(config.origin.sentences(problems))


def _folder_problems(server: Server) -> Sequence[Problem]:
    """Return who else may write in the data folder: they could have put an admin token there, or take the log away."""
    try:
        why = why_not_ours(server.data_dir.stat(), server.data_dir, os.geteuid())
    except OSError:  # not there yet, or what its first use says better
        return []
    return [Problem(("server", "data_dir"), why)] if why else []


def _tls_problems(server: Server) -> Sequence[Problem]:
    """Load the certificate and its key as the server will, and return what is wrong with them."""
    tls = server.tls
    if tls is None:
        return []
    problems = []
    for setting, file in (("cert", tls.cert), ("key", tls.key)):
        try:
            file.read_bytes()
        except OSError as error:
            problems.append(Problem(("server", "tls", setting), f"{file} can't be read: {error.strerror}"))
    if not problems:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert, tls.key, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            problems.append(Problem(("server", "tls"), f"{tls.cert} and {tls.key} can't be used: {_reason(error)}"))
    return problems


def _transform_problems(config: Config) -> Sequence[Problem]:
    """Import every transform, each in a process of its own, and return what is wrong with those that can't be used."""
    problems = []
    for name, place in config.destinations.items():
        if not place.transform:
            continue
        try:
            check_transform(place.transform, config.server.transform_path)
        except UsageError as error:
            problems.append(Problem(("destinations", name, "transform"), str(error)))
    return problems


def _no_password() -> str:
    raise ValueError("the key is encrypted; give one that is not, readable by Postroad alone")


def _reason(error: Exception) -> str:
    known = {
        "NO_CERTIFICATE_OR_CRL_FOUND": "there is no certificate in PEM in the first",
        "PEM_LIB": "they are not a certificate and its private key in PEM",
        "KEY_VALUES_MISMATCH": "the key is not that of the certificate",
    }
    return known.get(getattr(error, "reason", None) or "", str(error))
