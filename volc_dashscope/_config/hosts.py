"""Host names: which vendor owns one, whether it is private, and whether it is valid. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from volc_dashscope.models import Provider

# Regions with a host of their own; the others are reached per workspace.
SHARED_HOSTS: dict[Provider, dict[str, str]] = {
    "ark": {
        "cn-beijing": "ark.cn-beijing.volces.com",
        "ap-southeast-1": "ark.ap-southeast.bytepluses.com",
    },
    "dashscope": {
        "cn-beijing": "dashscope.aliyuncs.com",
        "cn-beijing-finance": "dashscope-finance.aliyuncs.com",
        "ap-southeast-1": "dashscope-intl.aliyuncs.com",
        "cn-hongkong": "cn-hongkong.dashscope.aliyuncs.com",
    },
}
# dashscope 2.0.2, v2/_config.py, VALID_REGIONS.
WORKSPACE_REGIONS = (
    "cn-beijing",
    "ap-southeast-1",
    "cn-hongkong",
    "us-east-1",
    "eu-central-1",
    "ap-northeast-1",
)
# Patterns are compiled at their first use, not by every import.
_WORKSPACE_HOST = r"[a-z0-9_-]+\.([a-z0-9-]+)\.maas\.aliyuncs\.com"
# Not whole domains: storage buckets and other customers' services have names below them too.
_HOSTS: dict[Provider, str] = {
    "ark": r"ark(-[a-z0-9-]+)?\.[a-z0-9-]+\.(volces|bytepluses)\.com",
    "dashscope": (
        r"([a-z0-9-]+\.)?dashscope(-[a-z0-9-]+)?\.aliyuncs\.com|[a-z0-9_-]+\.[a-z0-9-]+\.maas\.aliyuncs\.com"
    ),
}
# Consoles and documentation of the services; no API is served there.
_WEBSITES = ("volcengine.com", "byteplus.com", "aliyun.com", "alibabacloud.com")
# Reference compatible-servers.md, section 6. Not 169.254/16, where the metadata services of clouds live.
_PRIVATE = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("fc00::/7"),
)
_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_LONGEST_LABEL = 63  # RFC 1035, 2.3.4
_LONGEST_NAME = 253


def owner_of(host: str) -> Provider | None:
    """Return the service that a host belongs to, or None."""
    for provider, hosts in _HOSTS.items():
        if re.fullmatch(hosts, host):
            return provider
    return None


def is_website(host: str) -> bool:
    """Return whether a host is a vendor's console, documentation or shop and not an API."""
    return f".{host}".endswith(tuple(f".{name}" for name in _WEBSITES))


def region_of(host: str) -> str | None:
    """Return the region in the name of a service's host, or None."""
    for hosts in SHARED_HOSTS.values():
        for region, name in hosts.items():
            if host == name:
                return region
    found = re.fullmatch(_WORKSPACE_HOST, host)
    return found[1] if found else None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def is_local_network(host: str) -> bool:
    """Return whether a host is this machine, in a private network, or a name used only in private networks."""
    address = _address(host)
    if address is None:
        return "." not in host or host.endswith((".local", ".internal"))
    return address.is_loopback or any(
        address.version == network.version and address in network for network in _PRIVATE
    )


def in_networks(host: str, networks: Iterable[str]) -> bool:
    """Return whether a host is an address in one of the networks (`203.0.113.0/24`); other entries are ignored."""
    address = _address(host)
    if address is None:
        return False
    for text in networks:
        try:
            network = ip_network(text.strip(), strict=False)
        except ValueError:
            continue
        if address.version == network.version and address in network:
            return True
    return False


def host_fault(host: str) -> str | None:
    """Return why a name is not a valid host, or None."""
    if not host:
        return "it has no host"
    if ":" in host:
        return None if _address(host) is not None else "its host is not a valid IPv6 address"
    if not host.isascii():
        return "its host is not ASCII; write it in its encoded form (xn--...)"
    labels = host.removesuffix(".").split(".")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        return None if _address(host) is not None else "its host is not a valid IPv4 address"
    if len(host) > _LONGEST_NAME:
        return f"its host has {len(host)} characters; at most {_LONGEST_NAME} are allowed"
    for label in labels:
        if not label:
            return "its host has an empty label between two dots"
        if len(label) > _LONGEST_LABEL:
            return f"a label of its host has {len(label)} characters; at most {_LONGEST_LABEL} are allowed between dots"
        if not re.fullmatch(_LABEL, label):
            return "its host contains a character that is not allowed in host names"
    return None


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
