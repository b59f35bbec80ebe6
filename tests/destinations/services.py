"""The services that destinations talk to, as they are documented: limits, keys, partial errors, silent losses."""

import gzip
import json
import re
from collections.abc import Sequence
from typing import Any

from postroad.destinations.base import Destination, Event, SendResult, Split
from postroad.destinations.http.client import basic_auth
from postroad.testing.events import RECEIVED_AT
from postroad.testing.receiver import Behaviour, Receiver, Request, answer

KIB = 1024
PLACEHOLDERS = [
    *("00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined"),
    *("unknown", "<nil>", "0", "-1", "true", "false", "[]", "{}"),
]


async def settle(destination: Destination, events: Sequence[Event]) -> Sequence[SendResult]:
    """Send events as the engine does: the halves of what is split, until nothing is."""
    outcomes = list(await destination.send(events))
    split = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Split)]
    if len(events) > 1 and split:
        half = (len(split) + 1) // 2
        for numbers in (split[:half], split[half:]):
            found = await settle(destination, [events[number] for number in numbers])
            for number, outcome in zip(numbers, found, strict=True):
                outcomes[number] = outcome
    return outcomes


class Service:
    """One of them on a receiver: `taken` has what it kept."""

    path = "/v1/batch"

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.taken: list[dict[str, Any]] = []
        receiver.behaviour = self._serve

    @property
    def url(self) -> str:
        """Where it takes batches."""
        return f"http://127.0.0.1:{self.receiver.port}{self.path}"

    def reply(self, request: Request) -> Behaviour:
        """Take the request or not, and say what it says then."""
        raise NotImplementedError

    async def _serve(self, writer: Any) -> None:
        request = self.receiver.requests[-1]
        path = request.head.split()[1].decode().partition("?")[0]
        reply = self.reply(request) if path == self.path else answer(404, b"404 page not found")
        await reply(writer)


class CustomerioService(Service):
    """Customer.io's Pipelines API: strict mode takes all of a batch or nothing, without it errors are silent."""

    def __init__(self, receiver: Receiver, authorization: str) -> None:
        super().__init__(receiver)
        self.authorization = authorization

    def reply(self, request: Request) -> Behaviour:
        strict = request.headers.get("x-strict-mode") == "1"
        if request.headers.get("authorization") != self.authorization:
            return answer(401, b"Unauthorized") if strict else answer(200, b"{}")
        batch = json.loads(request.body)["batch"]
        errors = [f"{number}: {error}" for number, call in enumerate(batch) for error in self.errors(call)]
        if len(request.body) > 500 * KIB:
            errors.append("batch exceeds 500KB")
        if errors and strict:
            return answer(400, json.dumps({"meta": {"errors": errors}}).encode())
        if not errors:
            self.taken += batch
        return answer(200, b"{}")

    @staticmethod
    def errors(call: dict[str, Any]) -> Sequence[str]:
        """Return what strict mode has against a call."""
        found = []
        if len(json.dumps(call)) > 32 * KIB:
            found.append("call exceeds 32KB")
        if not (call.get("userId") or call.get("anonymousId") or call.get("groupId")):
            found.append("userId or anonymousId is required")
        if str(call.get("event")).startswith("Email ") and not call.get("properties", {}).get("email_id"):
            found.append("properties.email_id is required")
        return found


class SegmentService(Service):
    """Segment's HTTP API: 400 for what is too large, 200 for everything else, whether it keeps it or not."""

    def __init__(self, receiver: Receiver, authorization: str) -> None:
        super().__init__(receiver)
        self.authorization = authorization

    def reply(self, request: Request) -> Behaviour:
        batch = json.loads(request.body)["batch"]
        if len(request.body) > 500 * KIB or any(len(json.dumps(call)) > 32 * KIB for call in batch):
            return answer(400, b'{"success":false,"message":"payload too large"}')
        if request.headers.get("authorization") == self.authorization and len(batch) <= 2500:
            self.taken += [call for call in batch if self.keeps(call)]
        return answer(200, b'{"success":true}')

    @staticmethod
    def keeps(call: dict[str, Any]) -> bool:
        """Tell whether a call is one it can use."""
        return bool(call.get("userId") or call.get("anonymousId")) and len(call["messageId"]) <= 100


class MixpanelService(Service):
    """Mixpanel's import API in strict mode: takes the good events of a batch and names the bad ones."""

    path = "/import"

    def __init__(self, receiver: Receiver, credentials: tuple[str, str], project_id: str = "") -> None:
        super().__init__(receiver)
        self.authorization = basic_auth(*credentials)
        self.project_id = project_id
        self.max_bytes = 2 * KIB * KIB
        self.now = RECEIVED_AT // 1000

    def reply(self, request: Request) -> Behaviour:
        query = request.head.split()[1].decode().partition("?")[2].split("&")
        known = self.project_id == "" or f"project_id={self.project_id}" in query
        if request.headers.get("authorization") != self.authorization or not known:
            return self._say(401, error="Invalid credentials", status="Unauthorized")
        body = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
        if len(body) > self.max_bytes:
            error = f"request exceeds max limit of {self.max_bytes} bytes"
            return self._say(413, error=error, status="Request Entity Too Large")
        events = json.loads(body)
        assert len(events) <= 2000
        assert "strict=1" in query
        failed = [
            {"index": number, "$insert_id": event["properties"]["$insert_id"], "field": field, "message": message}
            for number, event in enumerate(events)
            for field, message in self.errors(event["properties"])[:1]
        ]
        bad = {record["index"] for record in failed}
        self.taken += [event for number, event in enumerate(events) if number not in bad]
        imported = len(events) - len(failed)
        if failed:
            error = "some data points in the request failed validation"
            return self._say(
                400, error=error, failed_records=failed, num_records_imported=imported, status="Bad Request"
            )
        return self._say(200, num_records_imported=imported, status="OK")

    def errors(self, properties: dict[str, Any]) -> Sequence[tuple[str, str]]:
        """Return what the validation has against an event's properties."""
        found = []
        time, who, key = properties["time"], properties["distinct_id"], properties["$insert_id"]
        if not isinstance(time, int) or not 31_536_000_000 <= time <= self.now + 3_600_000:
            found.append(("properties.time", "'properties.time' is invalid"))
        if not isinstance(who, str) or who in PLACEHOLDERS:
            found.append(("properties.distinct_id", "'properties.distinct_id' is invalid"))
        if not re.fullmatch(r"[A-Za-z0-9-]{1,36}", key) or key in PLACEHOLDERS:
            found.append(("properties.$insert_id", "'properties.$insert_id' is invalid"))
        if len(properties) >= 255:
            found.append(("properties", "must have fewer than 255 properties"))
        return found

    @staticmethod
    def _say(code: int, **said: Any) -> Behaviour:
        return answer(code, json.dumps({"code": code, **said}).encode())
