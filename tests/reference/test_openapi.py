"""The OpenAPI document says what the code does: what is required, what is answered, every word of it."""

import copy
import json
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from string import ascii_uppercase
from urllib.parse import urlsplit

import msgspec
import pytest

import golden_files
from postroad.contract.calls import Type
from postroad.contract.decode import Unusable, decode
from postroad.contract.email import EmailEvent, Kind
from postroad.contract.members import Members
from postroad.contract.refusals import Error
from postroad.contract.violations import Code, Problem
from postroad.reference.openapi import openapi, openapi_json
from postroad.reference.responses import error_example
from postroad.reference.schemas import call_component, component
from postroad.reference.servers import ApiServer
from postroad.web.answers import refuse

GOLDEN = Path(__file__).parent.parent / "golden" / "reference" / "openapi.json"
SCHEMAS = openapi([ApiServer("us", "https://cdp.example.com")])["components"]["schemas"]


def wrong_with(body, call=Type.TRACK):
    """Return what strict mode says of a call, by path."""
    found = decode(json.dumps(body).encode(), call, 1_772_443_800_000_000, lambda: "assigned-by-us")
    return [problem.path for problem in (found.reasons if isinstance(found, Unusable) else found.violations)]


def resolved(schema):
    """Return a schema, or the component that it refers to."""
    return SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def paths_of(schema, required):
    """Return the paths of the members inside a schema that are required, or that aren't."""
    for name, member in schema.get("properties", {}).items():
        inner = resolved(member)
        if (name in schema.get("required", ())) is required:
            yield (name,)
        yield from ((name, *rest) for rest in paths_of(inner, required))


def without(body, path):
    """Return a copy of a body that lacks a member."""
    left = copy.deepcopy(body)
    place = left
    for name in path[:-1]:
        place = place.get(name, {})
    place.pop(path[-1], None)
    return left


def one_of(kind):
    """Return an event with every member that its schema has."""
    schema = SCHEMAS[component(kind)]
    body = {**schema["examples"][0], "anonymousId": "a", "messageId": "m"}
    return body | {"sentAt": "2026-03-02T09:30:00Z", "originalTimestamp": "2026-03-02T09:30:00Z"}


@pytest.mark.full
def test_it_is_valid(servers):
    """The document is OpenAPI 3.1, and every example in it fits its schema."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415  # only the full tests have them
    from openapi_spec_validator import validate  # noqa: PLC0415

    document = openapi(servers)
    validate(document)
    for name, body in document["components"]["requestBodies"].items():
        content = body["content"]["application/json"]
        for example in content["examples"]:
            value = document["components"]["examples"][example]["value"]
            validator = Draft202012Validator({"components": document["components"], **content["schema"]})
            assert [error.message for error in validator.iter_errors(value)] == [], name


def test_the_golden_file(servers):
    """The document changes only together with its golden file, and is the same bytes each time."""
    found = openapi_json(servers)
    golden_files.check(GOLDEN, found)
    assert found == openapi_json(list(servers))


def test_a_running_server_serves_it(api):
    """A running server's `/openapi.json` is the document for its own address, byte for byte; nobody asks for a key."""
    address = urlsplit(api)
    with closing(HTTPConnection(address.hostname, address.port, timeout=20)) as connection:
        connection.request("GET", "/openapi.json")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("content-type")) == (200, "application/json")
        assert answer.read() == openapi_json([ApiServer("us", api)])


@pytest.mark.parametrize("kind", Kind)
def test_what_an_event_requires_is_what_strict_mode_requires(kind):
    """Leave out one required member: a 400 that names it. Leave out all the others: no word of it."""
    schema, body = SCHEMAS[component(kind)], one_of(kind)
    assert wrong_with(body) == []
    required = list(paths_of(schema, required=True))
    assert sorted(required) == [("event",), ("properties",), ("properties", "email_id"), ("userId",)]
    for path in required:
        assert ".".join(path) in wrong_with(without(body, path))
    for path in paths_of(schema, required=False):
        body = without(body, path)
    assert wrong_with(body) == []
    assert set(body) == {path[0] for path in required}


@pytest.mark.parametrize("kind", Kind)
def test_an_event_has_the_members_of_its_type(kind):
    """Every member that an event has and every property of its kind is in the schema, and no other property."""
    schema = SCHEMAS[component(kind)]
    assert set(EmailEvent.__struct_fields__) <= set(schema["properties"])
    properties = resolved(schema["properties"]["properties"])
    assert tuple(properties["properties"]) == kind.properties.__struct_fields__


@pytest.mark.parametrize("call", Type)
def test_whom_a_call_names_is_what_strict_mode_demands(call):
    """Each member of which one is required is enough, none is a 400, and so is a missing required one."""
    schema, body = SCHEMAS[call_component(call)], SCHEMAS[call_component(call)]["examples"][0]
    assert wrong_with(body, call) == []
    for name in schema.get("required", ()):
        assert wrong_with(without(body, (name,)), call) != []
    choices = schema.get("anyOf", [])
    assert bool(choices) == (not set(call.identity) & set(call.required))
    nobody = {name: body[name] for name in ("event", "type") if name in body}
    if choices:
        assert wrong_with(nobody, call) == [""]
        assert len(choices) == len(call.identity)
        for path in call.identity:
            name, _, inner = path.partition(".")
            assert wrong_with({**nobody, name: {inner: "x"} if inner else "x"}, call) == []


def test_every_member_that_is_read_is_described():
    """No member that the contract interprets is missing from the calls' schemas, but for the one that is ours."""
    described = {name for call in Type for name in SCHEMAS[call_component(call)]["properties"]}
    assert set(msgspec.structs.asdict(Members())) - {"receivedAt"} <= described
    assert all(schema.get("description") for schema in SCHEMAS.values())


def test_the_codes_are_the_code_s_own():
    """The error model lists exactly the codes that exist, and each of them has a sentence of its own."""
    assert SCHEMAS["Error"]["properties"]["code"]["enum"] == [error.code for error in Error]
    assert SCHEMAS["ErrorDetail"]["properties"]["code"]["enum"] == [code.value for code in Code]
    sentences = [code.means for code in (*Code, *Error)]
    assert all(sentence.endswith(".") and sentence[0] in "`" + ascii_uppercase for sentence in sentences)
    assert len(set(sentences)) == len(sentences)


def test_an_error_example_is_what_the_server_writes():
    """The examples of errors have the server's own shape, and the 400 its own words."""
    problem = Problem("properties.email_id", Code.REQUIRED, "is required")
    told = refuse(Error.INVALID, "the event breaks the contract", (problem,))
    assert json.loads(told.body) == error_example("invalid", "the event breaks the contract", problem)
    assert json.loads(refuse(Error.UNAVAILABLE, "later").body) == error_example("unavailable", "later")
    shown = openapi([ApiServer("us", "http://x")])["components"]["responses"]["Invalid"]["content"]["application/json"]
    broken = {"userId": "u", "event": "Email Opened", "properties": {"campaign_id": 204}}
    found = decode(json.dumps(broken).encode(), Type.TRACK, 0, lambda: "m")
    assert [problem.sentence for problem in found.violations] == shown["example"]["meta"]["errors"]


def test_the_servers_are_those_it_is_given():
    """Each server is there with its region in words, in the order given, without a slash at the end."""
    given = [ApiServer("eu", "https://eu.example.com/"), ApiServer("ap-1", "http://127.0.0.1:8080")]
    found = openapi(given)["servers"]
    assert [server["url"] for server in found] == ["https://eu.example.com", "http://127.0.0.1:8080"]
    assert "European Union" in found[0]["description"]
    assert "`ap-1`" in found[1]["description"]


def test_every_call_answers_the_five_documented_statuses(servers):
    """Every call documents 200, 400, 401, 429 and 503, and takes the strict mode header."""
    paths = openapi(servers)["paths"]
    calls = [path for path in paths if not path.endswith("settings")]
    assert calls == [*(f"/v1/{call.wire}" for call in Type), "/v1/batch"]
    for path in calls:
        assert list(paths[path]["post"]["responses"]) == ["200", "400", "401", "429", "503"]
        assert paths[path]["post"]["parameters"] == [{"$ref": "#/components/parameters/StrictMode"}]
