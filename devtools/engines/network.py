"""The engines' bridge and packet rules, and how every trace of them goes away again.

dockerd makes no packet rules itself: its chains have fixed names, and a second dockerd on the machine would
flush those of the first. One nftables table of our own does address translation for all networks of the
instance. Where another firewall (Docker's, say) drops forwarded packets, two rules in its FORWARD chain let
ours pass; they carry a comment by which they are found and deleted.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

from devtools.engines.instance import Instance

#: Runs a command with the programs of the root filesystem in the host's network.
Run = Callable[[list[str]], "CompletedProcess[str]"]

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")

#: How Docker and Podman name the bridge of a network.
_DOCKERS = re.compile(r"br-[0-9a-f]{12}|podman[0-9]+")
#: Name of the chain that says: the machine did not forward packets before.
OFF_BEFORE = "forwarding_was_off"


def setup_commands(instance: Instance, mtu: int) -> list[list[str]]:
    """Return the commands that make the bridge and the table, to be run in order."""
    bridge, subnet = instance.bridge, instance.subnet
    chain = [instance.table, "postrouting"]
    return [
        # Without an address of its own a bridge takes the lowest of its ports: it would change as containers come
        # and go, and those that remember the old one would be cut off for half a minute.
        ["ip", "link", "add", bridge, "address", instance.bridge_mac, "type", "bridge"],
        ["ip", "link", "set", bridge, "mtu", str(mtu)],
        ["ip", "address", "add", instance.bridge_cidr, "dev", bridge],
        ["ip", "link", "set", bridge, "up"],
        ["nft", "add", "table", "ip", instance.table],
        ["nft", "add", "chain", "ip", *chain, "{ type nat hook postrouting priority srcnat; }"],
        ["nft", "add", "rule", "ip", *chain, f"ip saddr {subnet} ip daddr != {subnet} masquerade"],
    ]


def mtu_of_default_route() -> int:
    """Largest packet, in bytes, on the interface that leads out of this machine; 1500 when there is none."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        interface, destination = line.split()[:2]
        if destination == "00000000":
            return int(Path("/sys/class/net", interface, "mtu").read_text())
    return 1500


def tear_down(instance: Instance, run: Run) -> None:
    """Delete the bridge, interfaces left on it, the table and the rules; all of it may be gone already."""
    for bridge in own_bridges(instance, run):
        for port in Path("/sys/class/net", bridge, "brif").glob("*"):
            run(["ip", "link", "delete", port.name])
        run(["ip", "link", "delete", bridge])
    stop_forwarding(instance, run)
    run(["nft", "delete", "table", "ip", instance.table])
    close_forward(instance, run)


def own_bridges(instance: Instance, run: Run) -> list[str]:
    """Names of our bridges: the fixed one, and those of networks that our daemon made later.

    Of those that Docker names, ours have an address of the instance; others' bridges may have one, too.
    """
    subnet = ipaddress.ip_network(instance.subnet)
    listed = run(["ip", "-json", "-4", "address", "show", "type", "bridge"]).stdout
    named = [
        link["ifname"]
        for link in json.loads(listed or "[]")
        if _DOCKERS.fullmatch(link.get("ifname", ""))
        and any(ipaddress.ip_address(address["local"]) in subnet for address in link.get("addr_info", ()))
    ]
    # It is without an address where somebody was ended between making it and giving it one.
    is_there = run(["ip", "link", "show", "dev", instance.bridge]).returncode == 0
    return [*([instance.bridge] if is_there else []), *named]


def open_forward(instance: Instance, run: Run) -> None:
    """Let our packets pass where some firewall's FORWARD chain drops what it does not know."""
    for tool in forward_tools(run):
        if re.search(
            r"^-P FORWARD DROP|^-A FORWARD .*-j (DROP|REJECT)", run([tool, "-S", "FORWARD"]).stdout, re.M
        ):
            for rule in forward_rules(instance):
                run([tool, "-I", "FORWARD", *rule])


def close_forward(instance: Instance, run: Run) -> None:
    """Take our rules out of the FORWARD chain again."""
    for tool in forward_tools(run):
        listed = run([tool, "-S", "FORWARD"]).stdout
        for rule in forward_rules(instance):
            if instance.table in listed:
                run([tool, "-D", "FORWARD", *rule])


def forward_rules(instance: Instance) -> list[list[str]]:
    """Return matches of packets from and to the instance's networks, marked as ours."""
    mark = ["-m", "comment", "--comment", instance.table, "-j", "ACCEPT"]
    return [["-s", instance.subnet, *mark], ["-d", instance.subnet, *mark]]


def forward_tools(run: Run) -> list[str]:
    """Return the iptables flavours in use here.

    Asking one that is not in use would leave empty tables behind.
    """
    tools = []
    if "filter" in run(["cat", "/proc/net/ip_tables_names"]).stdout.split():
        tools.append("iptables-legacy")
    if run(["nft", "list", "chain", "ip", "filter", "FORWARD"]).returncode == 0:
        tools.append("iptables-nft")
    return tools


def start_forwarding(instance: Instance, run: Run) -> None:
    """Let the machine pass packets on, and note in our table whether it did before.

    The note is an empty chain: it lives exactly as long as the table, and a second set of engines takes it
    over.
    """
    is_off = FORWARDING.read_text().strip() == "0"
    if is_off or any(notes_forwarding_off(table, run) for table in tables(run)):
        run(["nft", "add", "chain", "ip", instance.table, OFF_BEFORE])
    if is_off:
        FORWARDING.write_text("1\n")


def stop_forwarding(instance: Instance, run: Run) -> None:
    """Turn forwarding off where it was off before, unless other engines or the machine's Docker need it."""
    is_needed = tables(run) != [instance.table] or Path("/sys/class/net/docker0").exists()
    if notes_forwarding_off(instance.table, run) and not is_needed:
        FORWARDING.write_text("0\n")


def tables(run: Run) -> list[str]:
    """Names of the tables of all sets of engines on this machine."""
    return re.findall(r"^table ip (cir_dev_\w+)$", run(["nft", "list", "tables", "ip"]).stdout, re.M)


def notes_forwarding_off(table: str, run: Run) -> bool:
    """Whether the table has the note that forwarding was off."""
    return run(["nft", "list", "chain", "ip", table, OFF_BEFORE]).returncode == 0
