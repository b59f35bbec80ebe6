"""No destination calls a private address, however it is spelled or resolved."""

import socket
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from postroad.destinations.base import Pause, Retry, Surroundings
from postroad.destinations.http import guard
from postroad.destinations.http.answer import ServiceAnswer
from postroad.destinations.http.client import Client, Url
from postroad.destinations.http.guard import PrivateAddress, forbidden, open_socket
from postroad.testing.receiver import Receiver

FORBIDDEN = {
    "0.0.0.0": "unspecified",  # noqa: S104 -- an address to refuse
    "10.1.2.3": "private",
    "100.64.0.1": "shared by a carrier's customers",
    "100.127.255.255": "shared by a carrier's customers",
    "127.0.0.1": "loopback",
    "127.255.0.9": "loopback",
    "169.254.169.254": "a cloud's metadata service",
    "169.254.169.253": "link-local",
    "168.63.129.16": "a cloud's metadata service",
    "100.100.100.200": "a cloud's metadata service",
    "fd00:ec2::254": "a cloud's metadata service",
    "::ffff:168.63.129.16": "a cloud's metadata service",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "192.0.2.1": "for documentation",
    "198.18.0.1": "for benchmarks",
    "224.0.0.1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::127.0.0.1": "reserved",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.0.0.1": "private",
    "64:ff9b::127.0.0.1": "loopback",
    "64:ff9b::a9fe:a9fe": "a cloud's metadata service",
    "64:ff9b:1::1": "reserved",
    "2001::1": "reserved",
    "2001:db8::1": "for documentation",
    "2002:7f00:1::": "a tunnel (6to4)",
    "fc00::1": "private",
    "fd12:3456::1": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "private",
    "ff02::1": "multicast",
    "100::1": "reserved",
    "localhost": "not an IP address",
}
PUBLIC = [
    "1.1.1.1",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "2606:4700::1111",
    "64:ff9b::1.1.1.1",
    "::ffff:1.1.1.1",
]


@pytest.mark.parametrize(("address", "reason"), FORBIDDEN.items())
def test_addresses_that_are_not_public_are_forbidden(address: str, reason: str) -> None:
    """Each special range is refused under its name."""
    assert forbidden(address) == reason


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    """Public addresses are called, also those right beside a private range."""
    assert forbidden(address) is None


@given(st.ip_addresses())
def test_nothing_that_python_knows_as_special_is_allowed(address: Any) -> None:
    """Whatever the standard library knows to be private or special is forbidden."""
    special = not address.is_global or address.is_multicast or address.is_reserved
    embeds = str(address).startswith(("64:ff9b::", "::ffff:"))
    assert not special or embeds or forbidden(str(address)) is not None


@given(st.ip_addresses(v=4), st.sampled_from(["64:ff9b::", "::ffff:"]))
def test_an_embedded_address_is_judged_for_itself(address: Any, prefix: str) -> None:
    """An IPv6 address that leads to an IPv4 address is as public as that."""
    assert forbidden(f"{prefix}{address}") == forbidden(str(address))


def test_no_socket_is_made_for_a_private_address() -> None:
    """The check is where sockets are made: none exists for a private address, one does for a public one."""
    with pytest.raises(PrivateAddress):
        open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)))
    open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 80))).close()


def test_no_socket_is_made_for_a_public_address_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address is refused when this machine has it, whatever range it is in."""
    monkeypatch.setattr(guard, "forbidden", lambda _: None)  # as if loopback were a public range
    with pytest.raises(PrivateAddress) as refused:
        open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)))
    assert refused.value.reason == "this machine's own"
    open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))).close()


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("addresses", [["169.254.169.254"], ["168.63.129.16"], ["::ffff:169.254.170.2"]])
async def test_a_cloud_s_metadata_service_is_never_called(
    surroundings: Surroundings,
    addresses: list[str],
    allowed: bool,  # noqa: FBT001 -- what is configured
) -> None:
    """Where a machine's credentials are told nobody calls, also not who may call private addresses."""
    outcome = await call(surroundings._replace(allow_private=allowed), "http://crm.example.com/", addresses)
    assert outcome == Pause("crm.example.com has the address of a cloud's metadata service, which no destination calls")


class Names(AbstractResolver):
    """A name service that answers with the given addresses, another list each time it is asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the next list."""
        del family
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        """Nothing is open."""


async def call(surroundings: Surroundings, url: str, *answers: list[str]) -> ServiceAnswer | Retry | Pause:
    """Post once with such a name service."""
    client = Client(surroundings, resolver=Names(*answers))
    try:
        return await client.post(Url(url), b"{}", {})
    finally:
        await client.close()


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::ffff:127.0.0.1"],
        ["127.0.0.1", "10.0.0.1"],
        ["::1", "10.0.0.1"],
        ["::1", "127.0.0.1", "fe80::1"],
    ],
)
async def test_a_public_name_of_a_private_address_is_not_called(
    surroundings: Surroundings, receiver: Receiver, addresses: list[str]
) -> None:
    """The address is checked after the name is resolved: the request is never sent, and the operator is told."""
    guarded = surroundings._replace(allow_private=False)
    outcome = await call(guarded, f"http://crm.example.com:{receiver.port}/", addresses)
    assert isinstance(outcome, Pause)
    assert outcome.why.startswith(f"crm.example.com:{receiver.port} has an address that is not public (")
    assert "allow_private = true" in outcome.why
    assert receiver.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "localhost"])
async def test_a_private_address_in_the_url_is_not_called(
    surroundings: Surroundings, receiver: Receiver, host: str
) -> None:
    """An address spelled out in the URL never passes a resolver, and is checked all the same."""
    guarded = surroundings._replace(allow_private=False)
    outcome = await call(guarded, f"http://{host}:{receiver.port}/", ["127.0.0.1"])
    assert isinstance(outcome, Pause)
    assert receiver.requests == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0x7f000001", "017700000001", "127.0.0.1."])
async def test_an_unusual_notation_is_not_called(surroundings: Surroundings, receiver: Receiver, host: str) -> None:
    """Notations of an address that only C libraries read are no URL of ours, and would lead nowhere if they were."""
    with pytest.raises(ValueError, match="an IP address in an unusual notation"):
        Url(f"http://{host}:{receiver.port}/")
    url = Url("http://crm.example.com")
    url.parsed = URL(f"http://{host}:{receiver.port}/")
    client = Client(surroundings._replace(allow_private=False))
    assert isinstance(await client.post(url, b"{}", {}), Pause)
    assert receiver.requests == []
    await client.close()


async def test_allow_private_lets_it_call(surroundings: Surroundings, receiver: Receiver) -> None:
    """With `allow_private` the same call goes through."""
    outcome = await call(surroundings, f"http://crm.example.com:{receiver.port}/", ["127.0.0.1"])
    assert isinstance(outcome, ServiceAnswer)
    assert len(receiver.requests) == 1


async def test_a_name_cannot_change_its_address_after_the_check(surroundings: Surroundings, receiver: Receiver) -> None:
    """A name that is public at first and private when asked again (rebinding) reaches nothing private."""
    guarded = surroundings._replace(allow_private=False, timeout=0.2)
    client = Client(guarded, resolver=Names(["240.0.0.1"], ["127.0.0.1"], ["127.0.0.1"]))
    for _ in range(2):
        assert isinstance(await client.post(Url(f"http://crm.example.com:{receiver.port}/"), b"{}", {}), Pause)
    assert receiver.requests == []
    await client.close()
