"""Whether the files for TLS can be used."""

import ssl
from collections.abc import Sequence

from postroad.config.model import Server
from postroad.config.problems import Problem


def tls_problems(server: Server) -> Sequence[Problem]:
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


def _no_password() -> str:
    raise ValueError("the key is encrypted; give one that is not, readable by Postroad alone")


def _reason(error: Exception) -> str:
    known = {
        "NO_CERTIFICATE_OR_CRL_FOUND": "there is no certificate in PEM in the first",
        "PEM_LIB": "they are not a certificate and its private key in PEM",
        "KEY_VALUES_MISMATCH": "the key is not that of the certificate",
    }
    return known.get(getattr(error, "reason", None) or "", str(error))
