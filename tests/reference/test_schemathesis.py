"""Cases made from the schema, thousands of them, against the real server: its answers are those it documents."""

import base64
import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from server import KEY

from postroad.reference import openapi, servers

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]

BASIC = "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
CALLS = ("track", "identify", "page", "screen", "group", "alias", "batch")
CHECKS = (
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
OURS = {"x-strict-mode", "authorization"}
FRAMING = {"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
"""Headers that a document of calls has no say in: a made-up one is another message, or none. Raw sockets try those."""
RUN = settings(
    max_examples=240,
    deadline=timedelta(seconds=20),
    database=None,
    phases=[Phase.generate],  # shrinking a failure would take minutes
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


class Fuzzer:
    """Makes cases for a server, and sends them on one connection."""

    def __init__(self, api):
        import requests  # noqa: PLC0415  # only the full tests have these
        import schemathesis  # noqa: PLC0415
        from schemathesis.specs.openapi import checks  # noqa: PLC0415

        self._schema = schemathesis.openapi.from_dict(openapi.openapi([servers.ApiServer("us", api)]))
        self._checks = [schemathesis.checks.not_a_server_error, *(getattr(checks, name) for name in CHECKS)]
        self._api = api
        self.good, self.bad = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
        self.session = requests.Session()
        self.session.trust_env = False

    def cases(self, path, method, *modes):
        """Return a strategy of cases of one operation."""
        operation = self._schema[path][method]
        return st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes])

    def send(self, case, *, strict, key):
        """Send a case in this mode and return the answer, after it was held against the document."""
        for name in [name for name in case.headers or {} if name.lower() in OURS | FRAMING]:
            del case.headers[name]
        headers = {**({"X-Strict-Mode": "1"} if strict else {}), **({"Authorization": BASIC} if key else {})}
        answer = case.call(base_url=self._api, session=self.session, headers=headers)
        case.validate_response(answer, checks=self._checks)
        return answer


@pytest.fixture(scope="module")
def fuzzer(api):
    """The fuzzer of a running server."""
    if not os.environ.get("CI"):
        pytest.importorskip("schemathesis")
    fuzzer = Fuzzer(api)
    yield fuzzer
    fuzzer.session.close()


def as_meant(call):
    """Put right what a schema can't say: a key that comes along is the server's, and 0.0 is no integer in a body."""
    meant = dict(call)
    if "batch" in call:
        meant["batch"] = [as_meant(item) for item in call["batch"]]
    if isinstance(call.get("writeKey"), str):
        meant["writeKey"] = KEY
    if isinstance(call.get("timestamp"), float):
        meant["timestamp"] = int(call["timestamp"])
    return meant


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "permissive"])
def test_every_answer_is_a_documented_one(fuzzer, call, strict):
    """Whatever comes, good or bad, with a key or without: no 5xx, no other status, no body or header but these."""
    made = fuzzer.cases(f"/v1/{call}", "POST", fuzzer.good, fuzzer.bad)
    statuses = set()

    @RUN
    @given(case=made, key=st.booleans())
    def run(case, key):
        statuses.add(fuzzer.send(case, strict=strict, key=key).status_code)

    run()
    assert statuses == ({200, 400, 401} if strict else {200})


@pytest.mark.parametrize("call", CALLS)
def test_strict_mode_takes_what_the_schema_allows(fuzzer, call):
    """A call that fits the schema is never a 400: the schema asks for no less than strict mode does."""
    made = fuzzer.cases(f"/v1/{call}", "POST", fuzzer.good)

    @settings(RUN, max_examples=100)
    @given(case=made)
    def run(case):
        case.body = as_meant(case.body)
        answer = fuzzer.send(case, strict=True, key=True)
        assert answer.status_code == 200, answer.text

    run()


def test_the_settings_answer_as_documented(fuzzer):
    """Asked with any key, the settings are the documented answer; asked with ours they are there."""
    made = fuzzer.cases("/v1/projects/{key}/settings", "GET", fuzzer.good)

    @RUN
    @given(case=made, ours=st.booleans())
    def run(case, ours):
        if ours:
            case.path_parameters["key"] = KEY
        answer = fuzzer.send(case, strict=False, key=False)
        assert answer.status_code == (200 if ours else 401)

    run()
