"""The admin address: health, metrics, and what the command line asks the running server to change."""

from postroad.admin.api import calls
from postroad.admin.app import admin_app
from postroad.admin.door import IngestDoor

__all__ = ["IngestDoor", "admin_app", "calls"]
