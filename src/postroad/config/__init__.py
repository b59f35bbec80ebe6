"""The configuration: one TOML file, every setting declared once in `model`, every problem told at once."""

from postroad.config.declared import Options
from postroad.config.defaults import (
    FirstStart,
    ensure_admin_token,
    ensure_defaults,
    first_config,
    load,
    load_default,
    read_admin_token,
)
from postroad.config.keys import fingerprint, key_hash, new_key
from postroad.config.loading import Types, config_file, load_file
from postroad.config.masking import masked
from postroad.config.model import Config, Destination, Pii, Region, Rejections, RetryPolicy, Server, Tls
from postroad.config.problems import Origin
from postroad.config.sorts import Address, Duration, FilePath, HostName, Size
from postroad.config.source import Source

__all__ = [
    "Address",
    "Config",
    "Destination",
    "Duration",
    "FilePath",
    "FirstStart",
    "HostName",
    "Options",
    "Origin",
    "Pii",
    "Region",
    "Rejections",
    "RetryPolicy",
    "Server",
    "Size",
    "Source",
    "Tls",
    "Types",
    "config_file",
    "ensure_admin_token",
    "ensure_defaults",
    "fingerprint",
    "first_config",
    "key_hash",
    "load",
    "load_default",
    "load_file",
    "masked",
    "new_key",
    "read_admin_token",
]
