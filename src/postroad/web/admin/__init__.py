"""The admin address: health, metrics, and what the command line asks the running server to change."""

from postroad.web.admin.app import admin_app
from postroad.web.admin.dead import DeadApi, DeadRegion
from postroad.web.admin.destinations import DestinationsApi, DestinationsRegion
from postroad.web.admin.door import IngestDoor
from postroad.web.admin.pages import Pages
from postroad.web.admin.rejections import RejectionsApi
from postroad.web.admin.replays import ReplayRegion, ReplaysApi

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
