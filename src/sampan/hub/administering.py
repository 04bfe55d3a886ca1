"""`sampan hub user ...` and `sampan hub org ...`: accounts by command line, for scripts.

    user add [--admin] [--email A] --password-stdin NAME     org add --owner USER NAME
    user passwd --password-stdin NAME                        org list
    user list                                                org remove NAME
    user remove NAME                                         org member --role ROLE ORG USER
    user quota NAME SIZE|default|unlimited                   org quota NAME SIZE|default|unlimited

They work on the database itself, with a hub running beside them or without one. A password comes
from standard input or, on a terminal, is asked for: never from the command line.
"""

import argparse
import getpass
import sys
from collections.abc import Callable

from sqlalchemy import Connection

from sampan.errors import InvalidArgument, SampanError
from sampan.hub.accounts import organisations, plans, users
from sampan.hub.accounts.names import check_password
from sampan.hub.accounts.organisations import MemberNotFound
from sampan.hub.accounts.passwords import Passwords
from sampan.hub.accounts.permissions import OrgRole
from sampan.hub.config import BadUsage, add_storage_flags, build, make_parser, size_bytes
from sampan.hub.db.engine import Database
from sampan.hub.helptext import HelpText
from sampan.hub.tables import open_database
from sampan.lib.workers import Workers

EXIT_USAGE = 125
NOT_A_MEMBER = "none"

Action = Callable[[argparse.Namespace, Database], None]


def user_entry(words: list[str]) -> int:
    """Returns the exit status."""
    found = make_parser("sampan hub user", "Accounts of a hub")
    verbs = found.add_subparsers(metavar="COMMAND", required=True)
    add = _verb(verbs, "add", _add_user, "make an account", named=True)
    add.add_argument("--admin", action="store_true", help="may administer the hub")
    add.add_argument("--email", default="", metavar="ADDRESS", help="shown on its page")
    add.add_argument("--password-stdin", action="store_true", help="read it from standard input")
    passwd = _verb(verbs, "passwd", _set_password, "set an account's password", named=True)
    passwd.add_argument("--password-stdin", action="store_true", help="read it from stdin")
    _verb(verbs, "list", _list_users, "list accounts")
    _verb(verbs, "remove", _remove_user, "remove an account", named=True)
    _add_quota(verbs, "set an account's storage quota")
    return _run(found, words)


def organisation_entry(words: list[str]) -> int:
    """Returns the exit status."""
    found = make_parser("sampan hub org", "Organisations of a hub")
    verbs = found.add_subparsers(metavar="COMMAND", required=True)
    add = _verb(verbs, "add", _add_organisation, "make an organisation", named=True)
    add.add_argument("--owner", required=True, metavar="USER", help="its first owner")
    _verb(verbs, "list", _list_organisations, "list organisations")
    _verb(verbs, "remove", _remove_organisation, "remove an organisation", named=True)
    _add_quota(verbs, "set an organisation's storage quota")
    member = _verb(verbs, "member", _set_member, "set a member's role", named=True)
    member.add_argument("user", metavar="USER", help="the account")
    roles = [*(role.value for role in OrgRole), NOT_A_MEMBER]
    member.add_argument(
        "--role",
        choices=roles,
        default=OrgRole.MEMBER.value,
        help=f"what it may do (default {OrgRole.MEMBER.value}); {NOT_A_MEMBER}: it leaves",
    )
    return _run(found, words)


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    action: Action,
    summary: str,
    *,
    named: bool = False,
) -> argparse.ArgumentParser:
    found = verbs.add_parser(
        name,
        help=summary,
        description=summary.capitalize(),
        allow_abbrev=False,
        formatter_class=HelpText,
    )
    add_storage_flags(found)
    found.set_defaults(action=action)
    if named:
        found.add_argument("name", metavar="NAME", help="of the account or organisation")
    return found


def _add_quota(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", what: str) -> None:
    quota = _verb(verbs, "quota", _set_quota, what, named=True)
    quota.add_argument(
        "quota", type=_quota, metavar="SIZE", help="like 20g; `default`: the hub's; `unlimited`"
    )


def _quota(text: str) -> int | None:
    """As in the table of namespaces."""
    if text == "default":
        return None
    return plans.UNLIMITED if text == "unlimited" else size_bytes(text)


def _run(parser: argparse.ArgumentParser, words: list[str]) -> int:
    try:
        given = parser.parse_args(words)
        database = open_database(build(given), Workers())
        try:
            given.action(given, database)
        finally:
            database.close()
    except BadUsage as error:
        sys.stderr.write(f"{error.message}\n")
        return EXIT_USAGE
    except SampanError as error:
        hint = f" ({error.hint})" if error.hint else ""
        sys.stderr.write(f"{error.message}{hint}\n")
        return 1
    return 0


def _password(given: argparse.Namespace) -> str:
    if given.password_stdin:
        text = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        text = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != text:
            raise InvalidArgument("the two passwords differ")
    else:
        raise BadUsage("no terminal to ask for the password: use --password-stdin")
    return check_password(text, name=given.name)


def _add_user(given: argparse.Namespace, database: Database) -> None:
    hashed = Passwords().hash(_password(given))
    database.write_now(
        lambda connection: users.create(
            connection,
            given.name,
            password_hash=hashed,
            email=given.email,
            is_admin=given.admin,
        )
    )
    sys.stdout.write(f"{given.name}\n")


def _set_password(given: argparse.Namespace, database: Database) -> None:
    hashed = Passwords().hash(_password(given))

    def work(connection: Connection) -> None:
        users.set_password(connection, users.get(connection, given.name).id, hashed)

    database.write_now(work)
    sys.stdout.write(f"{given.name}\n")


def _list_users(_given: argparse.Namespace, database: Database) -> None:
    found, _ = database.read_now(lambda connection: users.list_accounts(connection, limit=10**6))
    for account in found:
        marks = ["admin"] * account.is_admin + ["off"] * (not account.is_active)
        sys.stdout.write("\t".join([account.name, account.email, ",".join(marks)]).rstrip() + "\n")


def _remove_user(given: argparse.Namespace, database: Database) -> None:
    database.write_now(lambda connection: users.remove(connection, given.name))
    sys.stdout.write(f"{given.name}\n")


def _set_quota(given: argparse.Namespace, database: Database) -> None:
    def work(connection: Connection) -> None:
        found = organisations.find(connection, given.name) or users.get(connection, given.name)
        plans.set_quota(connection, found.id, given.quota)

    database.write_now(work)
    sys.stdout.write(f"{given.name}\n")


def _add_organisation(given: argparse.Namespace, database: Database) -> None:
    def work(connection: Connection) -> None:
        owner = users.get(connection, given.owner)
        organisations.create(connection, given.name, owner=owner)

    database.write_now(work)
    sys.stdout.write(f"{given.name}\n")


def _list_organisations(_given: argparse.Namespace, database: Database) -> None:
    def work(connection: Connection) -> list[str]:
        found = []
        for each in organisations.list_organisations(connection):
            members = organisations.list_members(connection, each.id)
            people = ",".join(f"{member.name}={member.role}" for member in members)
            found.append(f"{each.name}\t{people}")
        return found

    for line in database.read_now(work):
        sys.stdout.write(f"{line}\n")


def _remove_organisation(given: argparse.Namespace, database: Database) -> None:
    database.write_now(lambda connection: organisations.remove(connection, given.name))
    sys.stdout.write(f"{given.name}\n")


def _set_member(given: argparse.Namespace, database: Database) -> None:
    def work(connection: Connection) -> None:
        found = organisations.get(connection, given.name)
        account = users.get(connection, given.user)
        if given.role != NOT_A_MEMBER:
            organisations.set_member(connection, found, account, OrgRole(given.role))
        elif organisations.role_of(connection, found.id, account.id) is None:
            raise MemberNotFound(account.name, found.name)
        else:
            organisations.remove_member(connection, found, account)

    database.write_now(work)
    sys.stdout.write(f"{given.user}\n")
