"""Cases made from the schema, thousands of them, against the real server: its answers are those it documents."""

import base64
import os
from datetime import timedelta

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from server import KEY

from postroad.reference import openapi, servers

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]

try:
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi import checks
except ImportError:
    if os.environ.get("CI"):
        raise
    pytest.skip("schemathesis is not installed", allow_module_level=True)

BASIC = "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
CALLS = ("track", "identify", "page", "screen", "group", "alias", "batch")
CHECKS = (
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)
RUN = settings(
    max_examples=240,
    deadline=timedelta(seconds=20),
    database=None,
    phases=[Phase.generate],  # shrinking a failure would take minutes
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


@pytest.fixture(scope="module")
def session():
    """One connection for all cases."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def cases(api, path, method, modes):
    """Return a strategy of cases of one operation."""
    schema = schemathesis.openapi.from_dict(openapi.openapi([servers.Server("us", api)]))
    operation = schema[path][method]
    return st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes])


def send(case, api, session, *, strict, key):
    """Send a case in this mode and return the answer, after it was held against the document."""
    for name in [name for name in case.headers or {} if name.lower() in {"x-strict-mode", "authorization"}]:
        del case.headers[name]
    headers = {**({"X-Strict-Mode": "1"} if strict else {}), **({"Authorization": BASIC} if key else {})}
    answer = case.call(base_url=api, session=session, headers=headers)
    case.validate_response(answer, checks=CHECKS)
    return answer


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
def test_every_answer_is_a_documented_one(api, session, call, strict):
    """Whatever comes, good or bad, with a key or without: no 5xx, no other status, no body or header but these."""
    made = cases(api, f"/v1/{call}", "POST", list(GenerationMode))
    statuses = set()

    @RUN
    @given(case=made, key=st.booleans())
    def run(case, key):
        statuses.add(send(case, api, session, strict=strict, key=key).status_code)

    run()
    assert statuses == ({200, 400, 401} if strict else {200})


@pytest.mark.parametrize("call", CALLS)
def test_strict_mode_takes_what_the_schema_allows(api, session, call):
    """A call that fits the schema is never a 400: the schema asks for no less than strict mode does."""
    made = cases(api, f"/v1/{call}", "POST", [GenerationMode.POSITIVE])

    @settings(RUN, max_examples=100)
    @given(case=made)
    def run(case):
        case.body = as_meant(case.body)
        answer = send(case, api, session, strict=True, key=True)
        assert answer.status_code == 200, answer.text

    run()


def test_the_settings_answer_as_documented(api, session):
    """Asked with any key, the settings are the documented answer; asked with ours they are there."""
    made = cases(api, "/v1/projects/{key}/settings", "GET", [GenerationMode.POSITIVE])

    @RUN
    @given(case=made, ours=st.booleans())
    def run(case, ours):
        if ours:
            case.path_parameters["key"] = KEY
        answer = send(case, api, session, strict=False, key=False)
        assert answer.status_code == (200 if ours else 401)

    run()
