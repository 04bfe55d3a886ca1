"""The three files of a container's /etc that say who it is: pure text, as Docker writes it.

Nothing is read or written here; `host_resolver` finds out what the host uses. The order of lines
in resolv.conf (search, nameserver, options) is what dockerd writes and tools compare.
"""

from collections.abc import Sequence
from ipaddress import ip_address

EMBEDDED_DNS = "127.0.0.11"
FALLBACK_SERVERS = ("8.8.8.8", "8.8.4.4")

# 20.10 and 28 write these in this order, separated by tabs
_LOCAL_HOSTS = (
    ("127.0.0.1", "localhost"),
    ("::1", "localhost ip6-localhost ip6-loopback"),
    ("fe00::", "ip6-localnet"),
    ("ff00::", "ip6-mcastprefix"),
    ("ff02::1", "ip6-allnodes"),
    ("ff02::2", "ip6-allrouters"),
)


def hostname_file(hostname: str) -> str:
    return f"{hostname}\n"


def hosts_file(
    *,
    hostname: str,
    domainname: str = "",
    addresses: Sequence[str] = (),
    extra_hosts: Sequence[tuple[str, str]] = (),
) -> str:
    """`addresses` are the container's own; `extra_hosts` are (names, address) pairs in order.

    An extra entry may carry several names separated by blanks (links do).
    """
    lines = [*_LOCAL_HOSTS]
    lines += [(address, names) for names, address in extra_hosts]
    text = "".join(f"{address}\t{names}\n" for address, names in lines)
    return text + "".join(own_lines(hostname, domainname, addresses))


def own_lines(hostname: str, domainname: str, addresses: Sequence[str]) -> list[str]:
    own = f"{hostname}.{domainname} {hostname}" if domainname else hostname
    return [f"{address}\t{own}\n" for address in addresses]


def changed_lines(text: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> str:
    """`text` with lines more at its end and others less; what else was written there stays."""
    lines = [line for line in text.splitlines(keepends=True) if line not in remove]
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join([*lines, *(line for line in add if line not in lines)])


def _values(text: str, keyword: str) -> list[str]:
    """All words after `keyword`, of every line that starts with it."""
    found: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if words and words[0] == keyword:
            found += words[1:]
    return found


def _last_values(text: str, keyword: str) -> list[str]:
    """`search` and `options`: resolvers take the last search line."""
    found: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if words and words[0] == keyword:
            found = words[1:]
    return found


def _is_loopback(server: str) -> bool:
    try:
        return ip_address(server.partition("%")[0]).is_loopback
    except ValueError:
        return True  # not an address: of no use to a container


def nameservers(text: str) -> list[str]:
    """The servers that a resolv.conf names, in order."""
    return _values(text, "nameserver")


def reachable_nameservers(text: str) -> list[str]:
    """Those that make sense in a container; Docker's public ones if none is left."""
    kept = [server for server in nameservers(text) if not _is_loopback(server)]
    return kept or list(FALLBACK_SERVERS)


def resolv_conf(
    host_text: str,
    *,
    servers: Sequence[str] = (),
    search: Sequence[str] = (),
    options: Sequence[str] = (),
    embedded: bool = False,
) -> str:
    """What a container's resolv.conf says: the host's, each part overridden by what was asked for.

    With `embedded` (user-defined networks) the only server is ours; it asks the others. A search
    list of just "." means none.
    """
    domains = list(search) or _last_values(host_text, "search")
    chosen_options = list(options) or _last_values(host_text, "options")
    chosen = list(servers) or reachable_nameservers(host_text)
    if embedded:
        chosen = [EMBEDDED_DNS]
        if not any(option.startswith("ndots:") for option in chosen_options):
            chosen_options = [*chosen_options, "ndots:0"]
    lines = []
    if domains and domains != ["."]:
        lines.append("search " + " ".join(domains))
    lines += [f"nameserver {server}" for server in chosen]
    if chosen_options:
        lines.append("options " + " ".join(chosen_options))
    return "".join(f"{line}\n" for line in lines)
