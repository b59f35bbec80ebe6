"""Where everything lies under the data folder."""

import re
from pathlib import Path
from typing import Final, NamedTuple


class RegionFiles(NamedTuple):
    """The files of one region."""

    folder: Path

    @property
    def data_dir(self) -> Path:
        """The data folder that it is in."""
        return self.folder.parent

    @property
    def log(self) -> Path:
        """The folder of the embedded log's segments."""
        return self.folder / "log"

    @property
    def ledger(self) -> Path:
        """The ledger's SQLite file."""
        return self.folder / "ledger.db"

    @property
    def log_lock(self) -> Path:
        """Held by the process that writes the log."""
        return self.log / "writer.lock"

    @property
    def ledger_lock(self) -> Path:
        """Held by the process that writes the ledger."""
        return self.ledger.with_suffix(".lock")

    @property
    def starting_offsets(self) -> Path:
        """From where on each destination is owed events; see `postroad.storage.starting_offsets`."""
        return self.folder / "destinations.json"

    @property
    def rejections(self) -> Path:
        """The rejections' SQLite file."""
        return self.folder / "rejections.db"


_TAKEN: Final = re.compile(r"log|(log-ends|ledger|destinations|rejections)\..*", re.IGNORECASE)
"""What a region's own files are called, with what SQLite and a crash leave beside them, on any file system."""


def is_taken(name: str) -> bool:
    """Tell whether a region's folder has, or may have, a file of our own by this name."""
    return _TAKEN.fullmatch(name) is not None


def region_files(data_dir: Path, region: str) -> RegionFiles:
    """Return the places of one region."""
    return RegionFiles(data_dir / region)


def ingest_pulse(data_dir: Path) -> Path:
    """Where the ingest process tells how it is."""
    return data_dir / "run" / "ingest.json"


def delivery_pulse(data_dir: Path) -> Path:
    """Where the delivery process tells how it is."""
    return data_dir / "run" / "delivery.json"
