"""The hub's configuration: one frozen record from the command line.

    sampan hub --root DIR --listen ADDR:PORT [--public-url URL] [--tls-cert F --tls-key F] ...

Everything has a default except the root. Passwords don't belong on a command line: PostgreSQL's
come from its own password file (PGPASSFILE), S3's keys from where AWS's tools look for them.
"""

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from sampan.errors import InvalidArgument
from sampan.hub.accounts.plans import Plan
from sampan.hub.accounts.signup import CLOSED, OPEN, SIGN_UP
from sampan.hub.db.engine import default_url
from sampan.hub.helptext import MORE, HelpText
from sampan.lib.log import LEVELS
from sampan.lib.units import parse_size_bytes

HOUR_S = 3600
DAY_S = 24 * HOUR_S
LEAST_LEASE_S = 60
UNITS_S = {"s": 1, "m": 60, "h": HOUR_S, "d": DAY_S}


class BadUsage(InvalidArgument):
    """The command line is wrong (exit status 125)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    root: Path
    listen: str = "127.0.0.1:5000"
    public_url: str = ""  # where browsers and clients reach us; derived from `listen` when empty
    trusted_proxies: tuple[str, ...] = ()  # networks whose X-Forwarded-For and -Proto are believed
    tls_cert: str = ""
    tls_key: str = ""
    database_url: str = ""  # SQLite in the root when empty
    storage: str = ""  # s3://BUCKET/PREFIX; files in the root when empty
    s3_endpoint: str = ""
    s3_region: str = ""
    accounts: bool = True  # without: whoever reaches the hub may do everything
    sign_up: str = OPEN  # who gets an account: see accounts/signup.py
    sign_ups_per_hour: int = 10  # from one address; 0: any number
    account_quota: int = 0  # bytes that an account may keep; 0: unlimited
    organisation_quota: int = 0  # the same for organisations
    private_repositories_per_account: int | None = None  # also per organisation; None: unlimited
    private_by_default: bool = False  # repositories that a push creates
    gc_interval_s: int = HOUR_S  # 0: never by itself
    lease_s: int = DAY_S  # how long a push may rely on what nothing refers to yet
    untagged_age_s: int = 30 * DAY_S  # manifests without a tag; 0: kept for ever
    upload_age_s: int = 7 * DAY_S  # unfinished uploads
    webhook_allow: tuple[str, ...] = ()  # networks besides the public ones that webhooks may reach
    git_allow: tuple[str, ...] = ()  # the same for git sources
    git_folders: tuple[str, ...] = ()  # where file URLs of git sources may lead
    builder: str = ""  # engine that automated builds run on; none are offered when empty
    builder_tls: str = ""  # folder with ca.pem, cert.pem, key.pem
    builder_registry: str = ""  # HOST:PORT of this hub as the engine reaches it
    builds_at_once: int = 2
    build_limit_s: int = 2 * HOUR_S
    log_level: str = "info"

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def url(self) -> str:
        """The public URL without a slash at its end."""
        scheme = "https" if self.tls_cert else "http"
        return (self.public_url or f"{scheme}://{self.listen}").rstrip("/")

    @property
    def registry(self) -> str:
        """What the builder puts before names: an unspecified address is this machine for it."""
        if self.builder_registry:
            return self.builder_registry
        host = self.url.partition("://")[2].partition("/")[0]
        return host.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")

    @property
    def plan(self) -> Plan:
        return Plan(
            private_repositories=self.private_repositories_per_account,
            account_bytes=self.account_quota or None,
            organisation_bytes=self.organisation_quota or None,
        )

    @property
    def database(self) -> str:
        return self.database_url or default_url(self.root)


def duration_s(text: str) -> int:
    """`90`, `90s`, `15m`, `24h`, `7d`."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS_S else (text, "s")
    if not (number.isascii() and number.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 90s, 15m, 24h or 7d")
    return int(number) * UNITS_S[unit]


def size_bytes(text: str) -> int:
    """`500m`, `20g` (binary units); 0 for unlimited."""
    try:
        return parse_size_bytes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}: write 500m or 20g") from error


def count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return int(text)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise BadUsage(f"{self.prog}: {message}\nRun '{self.prog} --help' for more information")


def make_parser(program: str, description: str, epilog: str = "") -> argparse.ArgumentParser:
    """One that raises BadUsage. Flags are named like Config's fields."""
    return _Parser(
        prog=program,
        allow_abbrev=False,
        description=description,
        epilog=epilog or None,
        formatter_class=HelpText,
    )


def parser() -> argparse.ArgumentParser:
    found = make_parser("sampan hub", "Run a registry with accounts", MORE)
    add = found.add_argument
    add_storage_flags(found)
    add("--listen", metavar="ADDR:PORT", help="where to listen (default 127.0.0.1:5000)")
    add("--public-url", metavar="URL", help="where browsers and clients reach the hub")
    add("--trusted-proxy", dest="trusted_proxies", action="append", metavar="CIDR",
        help="where reverse proxies are whose X-Forwarded headers count (repeatable)")  # fmt: skip
    add("--tls-cert", metavar="FILE", help="certificate chain (PEM)")
    add("--tls-key", metavar="FILE", help="private key (PEM)")
    _add_account_flags(found)
    add("--private-by-default", action="store_true", help="a push creates private repositories")
    add("--gc-interval", dest="gc_interval_s", type=duration_s, metavar="TIME",
        help="time between garbage collections (default 1h; 0: none)")  # fmt: skip
    _add_automation_flags(found)
    return found


def _add_account_flags(found: argparse.ArgumentParser) -> None:
    add = found.add_argument
    add("--sign-up", choices=SIGN_UP,
        help="who gets an account: everybody (open, the default), whom an administrator "
        "then switches on (approval), whom administrators add (closed)")  # fmt: skip
    add("--no-sign-up", dest="sign_up", action="store_const", const=CLOSED,
        help="as --sign-up closed")  # fmt: skip
    add("--sign-ups-per-hour", type=count, metavar="N",
        help="new accounts from one address (default 10; 0: any number)")  # fmt: skip
    add("--account-quota", type=size_bytes, metavar="SIZE",
        help="storage of an account, like 20g (default 0: unlimited)")  # fmt: skip
    add("--organisation-quota", type=size_bytes, metavar="SIZE",
        help="storage of an organisation (default 0: unlimited)")  # fmt: skip
    add("--private-repositories-per-account", type=count, metavar="N",
        help="private repositories of an account or organisation (default unlimited)")  # fmt: skip
    add(
        "--without-accounts",
        dest="accounts",
        action="store_false",
        help="whoever reaches the hub may push, pull and delete",
    )


def _add_automation_flags(found: argparse.ArgumentParser) -> None:
    add = found.add_argument
    add("--webhook-allow", action="append", metavar="CIDR",
        help="a private network that webhooks may reach (repeatable)")  # fmt: skip
    add("--git-allow", action="append", metavar="CIDR",
        help="a private network that git sources may be in (repeatable)")  # fmt: skip
    add("--git-folder", dest="git_folders", action="append", metavar="DIR",
        help="a folder that file URLs of git sources may lead to (repeatable)")  # fmt: skip
    add("--builder", metavar="URL",
        help="engine for automated builds: unix:///run/sampan.sock, tcp://HOST:PORT")  # fmt: skip
    add("--builder-tls", metavar="DIR", help="ca.pem, cert.pem and key.pem for the engine")
    add("--builder-registry", metavar="HOST:PORT", help="this hub as the engine reaches it")
    add("--builds-at-once", type=int, metavar="N", help="builds side by side (default 2)")
    add("--build-limit", dest="build_limit_s", type=duration_s, metavar="TIME",
        help="how long a build may take (default 2h)")  # fmt: skip


def add_storage_flags(found: argparse.ArgumentParser) -> None:
    """What every `sampan hub` command needs to know."""
    add = found.add_argument
    add("--root", type=Path, required=True, metavar="DIR", help="where everything is kept")
    add("--database-url", metavar="URL", help="postgresql://USER@HOST/NAME instead of SQLite")
    add("--storage", metavar="URL", help="s3://BUCKET/PREFIX instead of files in the root")
    add("--s3-endpoint", metavar="URL", help="an S3-compatible server (default: AWS)")
    add("--s3-region", metavar="NAME", help="region of the bucket")
    add("--lease", dest="lease_s", type=duration_s, metavar="TIME",
        help="how long blobs that nothing refers to are kept (default 24h)")  # fmt: skip
    add("--untagged-age", dest="untagged_age_s", type=duration_s, metavar="TIME",
        help="how long manifests without a tag are kept (default 30d; 0: for ever)")  # fmt: skip
    add("--upload-age", dest="upload_age_s", type=duration_s, metavar="TIME",
        help="how long unfinished uploads are kept (default 7d)")  # fmt: skip
    add("--log-level", choices=sorted(LEVELS), help="least level of log lines (default info)")


def build(given: argparse.Namespace) -> Config:
    """What was given over the defaults. Raises InvalidArgument naming what is wrong."""
    names = {field.name for field in fields(Config)}
    values = {key: value for key, value in vars(given).items() if key in names}
    values = {key: tuple(each) if isinstance(each, list) else each for key, each in values.items()}
    config = Config(**{key: value for key, value in values.items() if value is not None})
    check(config)
    return config


def load(arguments: list[str]) -> Config:
    return build(parser().parse_args(arguments))


def check(config: Config) -> None:
    host, _, port = config.listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise BadUsage(f"--listen: {config.listen!r} is not ADDR:PORT")
    if bool(config.tls_cert) != bool(config.tls_key):
        raise BadUsage("--tls-cert and --tls-key are given together")
    if config.public_url and urlsplit(config.public_url).scheme not in {"http", "https"}:
        raise BadUsage(f"--public-url: {config.public_url!r} is not an http or https URL")
    if config.storage and not config.storage.startswith("s3://"):
        raise BadUsage(f"--storage: {config.storage!r} is not s3://BUCKET or s3://BUCKET/PREFIX")
    if config.builds_at_once < 1:
        raise BadUsage("--builds-at-once must be at least 1")
    if config.lease_s < LEAST_LEASE_S:
        raise BadUsage(f"--lease must be at least {LEAST_LEASE_S}s: pushes rely on it")
