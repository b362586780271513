"""Which addresses may be contacted for a URI: the host that it names, and public ones where a redirect leads.

A server must not make hubcheck ask services that only this machine or its network can reach: a database on localhost,
an intranet, or the metadata service of a cloud, which hands out credentials.
"""

from __future__ import annotations

import re
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_METADATA = {*map(ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"))}
_METADATA_HOSTS = ("metadata.google.internal", "metadata.goog", "metadata", "instance-data")
_NAT64 = IPv6Network("64:ff9b::/96")
_NUMERIC = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*", re.IGNORECASE)
"""Forms of IPv4 addresses such as 127.1 and 0x7f000001, which systems accept as well."""


class Zone(IntEnum):
    """Who can reach an address, from everybody to this machine alone."""

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    LINK_LOCAL = 3


class AddressRefused(Exception):
    """An address that must not be contacted; the message names it and the remedy."""


class AddressPolicy:
    """The addresses that may be contacted for URIs with one host.

    - The host itself may be on a private network or on this machine, but may not move there later (DNS rebinding). It
      may be link-local, or a metadata service, only if the URI gives the address, or the usual name of that service.
    - Other hosts, to which only servers lead, must be public; those of private networks may lead to one another.

    Args:
        host: the host that the user named.
    """

    def __init__(self, host: str) -> None:
        self._host, self._zone = host, Zone.PUBLIC
        self._is_known = False

    def check_host(self, host: str) -> None:
        """Check a host before it is looked up; where a proxy connects, that is all that can be checked.

        Raises:
            AddressRefused: it must not be contacted.
        """
        if host == self._host:
            return
        address = parse_address(host)
        if address is not None:
            self._check(host, zone(address))
        elif _NUMERIC.fullmatch(host):
            raise AddressRefused(f"the server leads to {host}, which is no usual form of an address")
        elif host in _METADATA_HOSTS:
            self._check(host, Zone.LINK_LOCAL)
        elif host == "localhost" or host.endswith(".localhost"):
            self._check(host, Zone.LOOPBACK)

    def check_peer(self, host: str, peer: str) -> None:
        """Check the address of an open connection to a host, before anything is sent.

        Raises:
            AddressRefused: it must not be contacted.
        """
        address = parse_address(peer)
        found = Zone.LINK_LOCAL if address is None else zone(address)
        if host != self._host:
            self._check(f"{host} ({peer})" if host != peer else host, found)
            return
        is_given = parse_address(host) is not None or host in _METADATA_HOSTS
        if not is_given and found > (self._zone if self._is_known else Zone.LOOPBACK):
            raise AddressRefused(f"{host} is at {peer}, which is {_WORDS[found]}; give the address in the URI")
        if not self._is_known:
            self._zone, self._is_known = found, True

    def _check(self, shown: str, found: Zone) -> None:
        if found > (Zone.PRIVATE if self._zone is Zone.PRIVATE else Zone.PUBLIC):
            raise AddressRefused(f"the server leads to {shown}, which is {_WORDS[found]}; name that URI to check it")


_WORDS = {
    Zone.PRIVATE: "in a private network",
    Zone.LOOPBACK: "this machine",
    Zone.LINK_LOCAL: "link-local or a cloud's metadata service",
}


def zone(address: IPv4Address | IPv6Address) -> Zone:
    """Return who can reach an address; one that holds an IPv4 address is as that one."""
    if isinstance(address, IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            embedded = IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return zone(embedded)
    if address in _METADATA or address.is_link_local:
        return Zone.LINK_LOCAL
    if address.is_loopback or address.is_unspecified:
        return Zone.LOOPBACK
    return Zone.PUBLIC if address.is_global and not address.is_multicast else Zone.PRIVATE


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is, without a zone such as `%eth0`; None for a name."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None
