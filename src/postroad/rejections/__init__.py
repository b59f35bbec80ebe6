"""What was answered 200 in permissive mode and could not become an event, kept with its reasons."""

from postroad.rejections.base import DEFAULT_QUOTAS, Count, Counts, Quota, Quotas, Rejection
from postroad.rejections.reader import RejectionsReader
from postroad.rejections.store import Rejections

__all__ = [
    "DEFAULT_QUOTAS",
    "Count",
    "Counts",
    "Quota",
    "Quotas",
    "Rejection",
    "Rejections",
    "RejectionsReader",
]
