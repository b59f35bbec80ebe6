"""Views of every region for the admin address and the health pages."""

from collections.abc import Sequence

from postroad.clock import Clock
from postroad.config.model import Config
from postroad.ledger.sqlite.reader import SqliteLedgerReader
from postroad.log.embedded.reader import SqliteLogReader
from postroad.operations.status import RegionStatus, RegionView
from postroad.storage.layout import region_files


class Views:
    """Read-only looks at all regions of a configuration."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._readers: list[SqliteLogReader | SqliteLedgerReader] = []
        self._views: list[RegionView] = []
        for name, region in config.regions.items():
            files = region_files(config.server.data_dir, name)
            log, ledger = SqliteLogReader(files.log, clock), SqliteLedgerReader(files.ledger)
            self._readers += (log, ledger)
            self._views.append(
                RegionView(
                    name,
                    config.server.data_dir,
                    region.disk_floor,
                    configured=config.destinations_in(name),
                    log=log,
                    ledger=ledger,
                    clock=clock,
                )
            )

    async def look(self) -> Sequence[RegionStatus]:
        """Return the figures of every region."""
        return [await view.status() for view in self._views]

    async def close(self) -> None:
        """Let the files go."""
        for reader in self._readers:
            await reader.close()
