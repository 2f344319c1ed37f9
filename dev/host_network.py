"""What the private engine changes in the machine's network and kernel settings, remembered before and put back after.

Rules of others, made before or meanwhile, are left alone: only what names the engine's chains or its bridge goes.
"""

import json
import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final

from dev import paths
from dev.run import run, succeeds

BRIDGE: Final = "acj0"
"""The one bridge of the private engine: that of kind's network."""

_BEFORE: Final = paths.ENGINE / "machine-before.json"
_SETTINGS: Final = (
    "net/ipv4/ip_forward",  # dockerd
    "kernel/panic",  # kubelet, in a node that shares the kernel with us
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    *("fs/file-max", "kernel/pid_max"),  # the node's systemd
    *(f"fs/protected_{what}" for what in ("fifos", "hardlinks", "regular", "symlinks")),
)
_DOCKER: Final = re.compile(rf"\bDOCKER(-[A-Z0-9-]+)?\b|\b{BRIDGE}\b")


def _setting(name: str) -> Path:
    return Path("/proc/sys") / name


def remember() -> None:
    """Write down how the machine is, unless an engine that was killed has left its own note."""
    if _BEFORE.exists():
        return
    note = {
        "settings": {name: _setting(name).read_text().strip() for name in _SETTINGS},
        "rules": {family: run(f"{family}-save") for family in ("iptables", "ip6tables")},
    }
    _BEFORE.parent.mkdir(parents=True, exist_ok=True)
    half = _BEFORE.with_suffix(".half")
    half.write_text(json.dumps(note))
    half.rename(_BEFORE)


def remove_links() -> None:
    """Remove the bridge and the containers' ends of a killed engine."""
    for link in json.loads(run("ip", "-json", "link", "show", "type", "veth") or "[]"):
        if link.get("master") == BRIDGE:
            run("ip", "link", "delete", link["ifname"])
    if succeeds("ip", "link", "show", BRIDGE):
        run("ip", "link", "delete", BRIDGE)


def restore() -> None:
    """Put the rules and settings back, and forget the note."""
    if not _BEFORE.exists():
        return
    note = json.loads(_BEFORE.read_text())
    for family, rules in note["rules"].items():
        _restore_rules(family, rules.splitlines())
    for name, value in note["settings"].items():
        _setting(name).write_text(value)
    _BEFORE.unlink()


def _restore_rules(family: str, before: list[str]) -> None:
    now = run(f"{family}-save").splitlines()
    policies = {line.split()[0]: line for line in before if line.startswith(":")}
    subnets = [ip_network(subnet) for line in now for subnet in re.findall(rf"-s (\S+) ! -o {BRIDGE} ", line)]
    kept = []
    for line in now:
        if line.startswith(":") and not line.endswith("- [0:0]") and not _DOCKER.search(line):
            # a built-in chain: its policy of before, or the kernel's own if nobody used it then
            kept.append(policies.get(line.split()[0], line.replace(" DROP ", " ACCEPT ")))
        elif line in before or not _is_ours(line, subnets):
            kept.append(line)
    run(f"{family}-restore", stdin="\n".join(kept) + "\n")
    _drop_empty_tables(family, before, kept)


def _is_ours(line: str, subnets: Sequence[IPv4Network | IPv6Network]) -> bool:
    addresses = [ip_address(text) for text in re.findall(r"-[sd] ([^ /]+)", line)]
    return bool(_DOCKER.search(line)) or any(address in subnet for address in addresses for subnet in subnets)


def _drop_empty_tables(family: str, before: list[str], now: list[str]) -> None:
    """Delete tables that were not there before and hold nothing; only nft can, and only nft leaves them behind."""
    if "nf_tables" not in run(family, "--version"):
        return
    text = "\n".join(now)
    for table, body in re.findall(r"^\*(\w+)\n(.*?)^COMMIT", text, re.MULTILINE | re.DOTALL):
        has_more = re.search(r"^-A|^:\S+ -", body, re.MULTILINE)
        if f"*{table}" not in before and not has_more:
            run("nft", "delete", "table", "ip" if family == "iptables" else "ip6", table)
