"""The admin address: health, metrics, and what the command line asks the running server to change."""

from postroad.admin.app import admin_app
from postroad.admin.dead import DeadApi, DeadRegion
from postroad.admin.destinations import DestinationsApi, DestinationsRegion
from postroad.admin.door import IngestDoor
from postroad.admin.pages import Pages
from postroad.admin.rejections import RejectionsApi
from postroad.admin.replays import ReplayRegion, ReplaysApi

__all__ = [
    "DeadApi",
    "DeadRegion",
    "DestinationsApi",
    "DestinationsRegion",
    "IngestDoor",
    "Pages",
    "RejectionsApi",
    "ReplayRegion",
    "ReplaysApi",
    "admin_app",
]
