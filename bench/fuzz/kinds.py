"""What is fuzzed, one kind a part: how a case of it is made, and what must hold for it."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final, NamedTuple

from connections import try_connection
from heads import stream
from house import House, Reply, check, demand
from leaving import try_leaving
from material import BATCHES, Coded, credential, encoded, hops, json_text, key_header, path_for
from mutation import cut

from postroad.contract.credentials import key_of, keys_in_body, keys_in_header, keys_named_in
from postroad.contract.limits import KEYLESS_BYTES, LENIENT_BATCH_BYTES
from postroad.contract.violations import Problem
from postroad.ingest.forwarded import Proxies, caller_of, forwarded_elements, host_name
from postroad.ingest.inflate import begin_inflating, inflate
from postroad.ingest.request import Oversized
from postroad.web.wire.policy import read_target, wants_continue
from postroad.web.wire.reading import Reader


class Case(NamedTuple):
    """One case: what is tried, and the bytes that it may take time for."""

    data: Any
    size: int


class Kind(NamedTuple):
    """A kind of case. `run` raises whatever goes wrong."""

    make: Callable[[Random], Case]
    run: Callable[[House, Any], Awaitable[None]]


def _make_wire(random: Random) -> Case:
    sent = stream(random)
    return Case((sent, cut(random, sent)), 2 * len(sent))


async def _run_wire(_house: House, data: tuple[bytes, list[bytes]]) -> None:
    whole, parts = data
    demand(_read([whole]) == _read(parts), "how bytes are cut makes no difference", parts)


def _read(parts: list[bytes]) -> tuple[list[object], object]:
    reader, found, body = Reader(), [], []
    for part in parts:
        at = 0
        while at < len(part):
            was, at = at, reader.read(part, at)
            body += reader.pieces
            reader.pieces.clear()
            if reader.refused is not None:
                answer = reader.refused.answer()
                check(Reply(answer.status, {b"x-request-id": b"req-"}, answer.body))
                return found, reader.refused.name
            demand(at > was, "it reads on", part)
            if reader.whole and (head := reader.head) is not None:
                target = read_target(head.target)
                found.append((head.raw, target, head.headers, wants_continue(head), b"".join(body)))
                body = []
                reader.next()
    return found, None


def _make_connection(random: Random) -> Case:
    sent = stream(random)
    return Case(cut(random, sent), len(sent))


def _make_forwarded(random: Random) -> Case:
    names = (b"x-forwarded-for", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"forwarded", b"host")
    headers = [(random.choice(names), hops(random)) for _ in range(random.choice((1, 1, 2, 3, 5)))]
    family = random.choice(("x-forwarded", "forwarded"))
    return Case((headers, family), sum(len(value) for _, value in headers))


async def _run_forwarded(house: House, data: tuple[list[tuple[bytes, bytes]], Any]) -> None:
    headers, family = data
    for peer in ("127.0.0.1", "192.0.2.9"):
        scope = {"headers": headers, "client": (peer, 1), "scheme": "http"}
        caller = caller_of(scope, Proxies(house.proxies.networks, family))
        host_name(caller.host).encode()
        demand(caller.scheme in {"http", "https"}, "a scheme is one of two", caller)
    demand(caller.address == peer, "who is no proxy speaks for itself only", caller)
    for _, value in headers:
        demand(len(forwarded_elements(value.decode("latin-1"))) >= 1, "there is an element", value)


def _make_credentials(random: Random) -> Case:
    header, body = credential(random), json_text(random)
    return Case((header, body), len(header) + len(body))


async def _run_credentials(_house: House, data: tuple[bytes, bytes]) -> None:
    header, body = data
    keys = (*keys_in_header(header), *keys_in_body(body), *keys_named_in(body), key_of(body) or "")
    for key in keys:
        key.encode()  # as it is hashed
    demand(len(keys) <= 25, "there are few keys", keys)  # noqa: PLR2004  # 3 in a header, 2 and 1 in a body, 16 named


def _make_leaving(random: Random) -> Case:
    body = json_text(random)
    return Case(body, 6 * len(body))  # read as each of the six calls


def _make_inflate(random: Random) -> Case:
    coded = encoded(random, json_text(random))
    # What was exchanged may inflate to far more than what it was made of.
    beginning = begin_inflating(coded.wire, coded.encoding.strip().lower(), LENIENT_BATCH_BYTES)
    return Case(coded, max(coded.size, len(beginning)))


async def _run_inflate(_house: House, coded: Coded) -> None:
    encoding = coded.encoding.strip().lower()
    plain = inflate(coded.wire, encoding, LENIENT_BATCH_BYTES)
    beginning = begin_inflating(coded.wire, encoding, KEYLESS_BYTES)
    demand(len(beginning) <= KEYLESS_BYTES, "no more is begun than asked for", len(beginning))
    if isinstance(plain, bytes):
        limit = max(LENIENT_BATCH_BYTES, len(coded.wire))
        demand(len(plain) <= limit and plain.startswith(beginning), "no more is inflated than allowed", len(plain))
    else:
        demand(isinstance(plain, Oversized | Problem), "what can't be inflated is a problem", plain)


class Call(NamedTuple):
    """A call to the whole app: tried in strict mode first, then outside it."""

    path: str
    headers: list[tuple[bytes, bytes]]
    pieces: list[bytes]
    plain: bytes


def _make_calls(random: Random) -> Case:
    coded = encoded(random, json_text(random)) if random.randrange(3) == 0 else None
    plain = coded.plain if coded else json_text(random)
    wire = coded.wire if coded else plain
    headers = [(b"host", random.choice((*(b"cdp.example.com",) * 9, b"x", b"eu.example.com:80", b"")))]
    if random.randrange(9):
        headers.append((b"authorization", key_header(random)))
    if coded:
        headers.append((b"content-encoding", coded.encoding))
    if random.randrange(8) == 0:
        headers.append((random.choice((b"x-forwarded-host", b"x-forwarded-for", b"origin")), hops(random)))
    path = path_for(random, plain)
    return Case(Call(path, headers, cut(random, wire) or [b""], plain), 2 * (len(wire) + len(plain)))


async def _run_calls(house: House, call: Call) -> None:
    strict, counts = await _ask(house, call, b"1")
    demand(strict.status in {200, 400, 401}, "strict mode says 200, 400 or 401", strict)
    demand(bool(+counts) == (strict.status == 200), "in strict mode nothing is kept of what is refused", counts)  # noqa: PLR2004
    demand(not counts["rejected"], "in strict mode nothing is rejected", counts)
    loose, kept = await _ask(house, call, b"0")
    if (loose.status, loose.body) == (strict.status, strict.body) and strict.status != 200:  # noqa: PLR2004
        return  # of a source that is always strict, which was checked above
    demand((loose.status, loose.body) == (200, b"{}"), "permissive mode says 200", loose)
    demand(bool(+kept), "whatever was answered 200 is in the books", kept)
    doubtful = bool(kept["rejected"]) or b"x-postroad-violations" in loose.headers
    demand(doubtful or strict.status == 200, "what strict mode refuses, permissive mode tells", strict)  # noqa: PLR2004
    demand(not kept["rejected"] or strict.status != 200, "what strict mode takes, permissive mode keeps", kept)  # noqa: PLR2004
    if call.path.rpartition("/")[2] not in BATCHES:
        demand(kept.total() == 1, "one call is one item", kept)


async def _ask(house: House, call: Call, strict: bytes) -> tuple[Reply, Any]:
    pieces = iter([*call.pieces])
    left = len(call.pieces)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(pieces), "more_body": left > 0}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": call.path, "scheme": "http", "client": ("127.0.0.1", 1)}
    before, stored = house.counted(), house.stored.copy()
    await house.app({**scope, "headers": [*call.headers, (b"x-strict-mode", strict)]}, receive, send)
    start, end = sent
    reply = Reply(start["status"], dict(start["headers"]), end["body"])
    check(reply)
    items = house.counted() - before
    for outcome in ("accepted", "rejected"):
        same = items[outcome] == house.stored[outcome] - stored[outcome]
        demand(same, "what is counted is what is stored", items, house.stored)
    return reply, items


KINDS: Final = {
    "wire": Kind(_make_wire, _run_wire),
    "connection": Kind(_make_connection, try_connection),
    "forwarded": Kind(_make_forwarded, _run_forwarded),
    "credentials": Kind(_make_credentials, _run_credentials),
    "inflate": Kind(_make_inflate, _run_inflate),
    "leaving": Kind(_make_leaving, try_leaving),
    "calls": Kind(_make_calls, _run_calls),
}
