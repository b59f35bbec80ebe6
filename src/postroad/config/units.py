"""Durations and sizes as people write them: `30s`, `7d`, `64MiB`. Pure; errors never repeat the value."""

import math
import re
from typing import Final

_DURATION: Final = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?)\s*(ms|s|m|h|d)?")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST: Final = 100 * 365 * 86400.0

_SIZE: Final = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?)\s*([KMGT]i?)?B?", re.IGNORECASE)
_BYTES: Final = {
    "": 1,
    "k": 1000,
    "m": 1000**2,
    "g": 1000**3,
    "t": 1000**4,
    "ki": 1 << 10,
    "mi": 1 << 20,
    "gi": 1 << 30,
    "ti": 1 << 40,
}
_LARGEST: Final = (1 << 63) - 1


def read_duration(value: object) -> float:
    """Return seconds for `"500ms"`, `"5s"`, `"2m"`, `"1h"`, `"7d"` or a plain number of seconds.

    Raises `ValueError` with a sentence that starts with "must be".
    """
    seconds = _number(value, _DURATION, _SECONDS, "s")
    if seconds is None or not 0 <= seconds <= _LONGEST:
        raise ValueError('must be a duration such as "500ms", "5s", "2m", "1h" or "7d"')
    return float(seconds)


def read_size(value: object) -> int:
    """Return bytes for `"32KiB"`, `"64MiB"`, `"1GB"` or a plain number of bytes.

    Raises `ValueError` with a sentence that starts with "must be".
    """
    size = _number(value, _SIZE, _BYTES, "")
    if size is None or not 0 <= size <= _LARGEST or size != int(size):
        raise ValueError('must be a size such as "32KiB", "64MiB" or "1GB"')
    return int(size)


def write_duration(seconds: float) -> str:
    """Write seconds the way `read_duration` reads them, in the largest unit that fits."""
    for unit, least in (("d", 2.0), ("h", 1.0), ("m", 1.0), ("s", 1.0)):
        count = seconds / _SECONDS[unit]
        if count >= least and count == int(count):
            return f"{int(count)}{unit}"
    milliseconds = seconds * 1000
    return f"{int(milliseconds)}ms" if milliseconds == int(milliseconds) else f"{seconds:f}s"


def write_size(size: int) -> str:
    """Write bytes the way `read_size` reads them, in the largest binary unit that fits."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        count, rest = divmod(size, _BYTES[unit.lower()])
        if count and not rest:
            return f"{count}{unit}B"
    return f"{size}B"


def _number(value: object, form: re.Pattern[str], units: dict[str, float] | dict[str, int], plain: str) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    found = form.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    digits, unit = found.groups()
    factor = units[(unit or plain).lower()]
    # Whole numbers stay integers: a size beyond 2**53 would lose its last bytes as a float.
    return int(digits) * factor if digits.isdecimal() else float(digits) * factor
