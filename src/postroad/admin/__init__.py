"""The admin address: health, metrics, and what the command line asks the running server to change."""

from postroad.admin.app import admin_app
from postroad.admin.dead import DeadApi
from postroad.admin.destinations import DestinationsApi
from postroad.admin.door import IngestDoor
from postroad.admin.pages import Pages
from postroad.admin.regions import DeliveredRegion
from postroad.admin.rejections import RejectionsApi
from postroad.admin.replays import ReplaysApi

__all__ = [
    "DeadApi",
    "DeliveredRegion",
    "DestinationsApi",
    "IngestDoor",
    "Pages",
    "RejectionsApi",
    "ReplaysApi",
    "admin_app",
]
