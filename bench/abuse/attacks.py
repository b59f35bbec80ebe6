"""The attacks, one function each: what somebody outside sends, with no key or with the browser key that anybody has.

A further one is a function here and a line in `ATTACKS`. It sends through the `Attacker`, which counts, and ends when
that says so, at the latest after the time that a run has.

A program of its own that yields to the server and to the well-behaved source: an attacker has another machine.
"""

import argparse
import asyncio
import gzip
import itertools
import json
import os
import resource
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import MappingProxyType

from attacker import BROWSER_KEY, Attacker, request
from report import Sent

Attack = Callable[[Attacker], Awaitable[None]]

GZIP = "Content-Encoding: gzip"
STRICT = "X-Strict-Mode: 1"
PROXY = "127.0.0.9"
"""The trusted one."""
OTHERS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
"""Addresses of attackers; the well-behaved source has another."""


async def crafted_ids(attacker: Attacker) -> None:
    """The ids of one unkeyed hash: 5,500 are stored, then one request of 3.2 MB brings thousands more of them. The hash
    is keyed, so nobody can make such ids any more: these are all distinct, which costs the attacker the same.
    """
    small = [_ids("first", start, 500) for start in range(0, 5_500, 500)]
    await attacker.flood(1, iter(small))
    await attacker.flood(1, iter([_ids("second", 0, 10_000, extra="x" * 225)]))
    await attacker.flood(4, (_ids(f"more-{number}", 0, 1_000) for number in range(40)), pause=0.05)


def _ids(name: str, start: int, count: int, extra: str = "") -> bytes:
    items = [
        {"type": "track", "userId": "u", "event": "e", "messageId": f"{name}-{number}", "x": extra}
        for number in range(start, start + count)
    ]
    return request("/v1/batch", json.dumps({"batch": items}).encode(), key=BROWSER_KEY)


async def gzip_without_key(attacker: Attacker) -> None:
    """4 KB of gzip that are two million items, over 40 connections, with no key that anybody knows."""
    body = gzip.compress(b'{"batch":[%b0],"writeKey":"nobodys"}' % (b"0," * (2 << 20))[:-40])
    await attacker.flood(40, itertools.repeat(request("/v1/batch", body, GZIP)), pause=0.05)


async def large_gzip_with_browser_key(attacker: Attacker) -> None:
    """The same two million items, by somebody who has the browser key."""
    body = gzip.compress(b'{"writeKey":"%b","batch":[%b0]}' % (BROWSER_KEY.encode(), (b"0," * (2 << 20))[:-80]))
    await attacker.flood(4, itertools.repeat(request("/v1/batch", body, GZIP)), pause=0.25)


async def long_forwarded(attacker: Attacker) -> None:
    """A `Forwarded` of 60,000 characters, and the same in the header that is believed, through a trusted proxy."""
    body = b'{"userId":"u","event":"e"}'
    headers = [f"{name}: {'a' * 60_000}" for name in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host")]
    made = [request("/v1/track", body, one, key=BROWSER_KEY) for one in headers]
    await attacker.flood(8, _in_turn(made), pause=0.02, address=PROXY)


async def many_problems(attacker: Attacker) -> None:
    """A few bytes of gzip whose 10,000 items are all wrong, in strict mode: the answer is to be small."""
    bodies = [b'{"batch":[' + b",".join(items) + b"]}" for items in ([b"0"] * 10_000, [b"{}"] * 10_000)]
    made = [request("/v1/batch", gzip.compress(body), GZIP, STRICT, key=BROWSER_KEY) for body in bodies]
    await attacker.flood(4, _in_turn(made), pause=0.1)


async def idle_connections(attacker: Attacker) -> None:
    """Three addresses with 3,000 connections each: silent ones, and ones with half a head or half a body."""
    whole = request("/v1/track", b'{"userId":"u","event":"e"}', key=BROWSER_KEY)
    pieces = (b"", whole[:20], whole[:-1])
    await asyncio.gather(
        *(attacker.hold(1_000, piece, address) for address in OTHERS for piece in pieces),
    )


async def bodies_without_key(attacker: Attacker) -> None:
    """24 connections from each of three addresses, with all but the end of a body of 4 MiB, and no key we know."""
    beginning = request("/v1/batch", b" " * (4 << 20), key="nobodys")[:-1]
    await asyncio.gather(*(attacker.hold(24, beginning, address) for address in OTHERS))


async def guessed_keys(attacker: Attacker) -> None:
    """Keys that are tried over 100 connections from each of three addresses, in both modes, as fast as they go."""
    keys = (f"guess-{number}" for number in itertools.count())
    body = b'{"userId":"u","event":"e"}'
    made = (request("/v1/track", body, *mode, key=key) for key in keys for mode in ((STRICT,), ()))
    await asyncio.gather(*(attacker.flood(100, made, address=address) for address in OTHERS))


def _in_turn(requests: list[bytes]) -> Iterator[bytes]:
    return itertools.cycle(requests)


async def ordinary_load(attacker: Attacker) -> None:
    """No attack: 64 connections of the well-behaved source's own kind, as fast as they go. What they do to it is what
    any busy hour does.
    """
    body = b'{"userId":"u","event":"e"}'
    await attacker.flood(64, itertools.repeat(request("/v1/track", body, key=BROWSER_KEY)))


ORDINARY = "no attack, but 64 busy clients"

ATTACKS: Mapping[str, Attack] = MappingProxyType(
    {
        ORDINARY: ordinary_load,
        "crafted ids": crafted_ids,
        "gzip without key": gzip_without_key,
        "gzip with the browser key": large_gzip_with_browser_key,
        "long Forwarded": long_forwarded,
        "many problems": many_problems,
        "idle connections": idle_connections,
        "bodies without key": bodies_without_key,
        "guessed keys": guessed_keys,
    }
)


async def run(attack: Attack, port: int, seconds: float) -> Sent:
    """Attack for so long, after an eighth of it, and return what was sent."""
    attacker = Attacker(port)
    await asyncio.sleep(seconds / 8)
    attacking = asyncio.ensure_future(attack(attacker))
    await asyncio.sleep(seconds * 7 / 8)
    attacker.over.set()
    await attacking
    return attacker.sent


def main() -> None:
    """Attack, and print what was sent as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attack", choices=ATTACKS, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.nice(19)
    print(json.dumps(asyncio.run(run(ATTACKS[given.attack], given.port, given.seconds))._asdict()))


if __name__ == "__main__":
    main()
