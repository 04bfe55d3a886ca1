"""`service create`, `update`, `rollback`, `scale` and `rm`."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.each import for_each
from sampan.cli.flags import Flag
from sampan.cli.serviceflags.table import CREATE as CREATE_FLAGS
from sampan.cli.serviceflags.table import UPDATE as UPDATE_FLAGS
from sampan.client.exchange import quote
from sampan.errors import SampanError
from sampan.lib.jsontext import decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

    Document = dict[str, Any]

JSON_HEADERS = {"Content-Type": "application/json"}


def path(name: str, act: str = "") -> str:
    return f"/services/{quote(name)}{act}"


def get_service(context: Context, name: str) -> Document:
    found: Document = context.client.get(path(name), [("insertDefaults", "false")])
    return found


def post(
    context: Context,
    target: str,
    spec: Document,
    *,
    query: list[tuple[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Document:
    """Sends a spec; the answer's warnings go to standard error."""
    answer = decode(
        context.client.call(
            "POST",
            target,
            query=query or (),
            headers={**JSON_HEADERS, **(headers or {})},
            body=encode(spec).encode("utf-8", "surrogateescape"),
        ).read()
    )
    for warning in answer.get("Warnings") or ():
        context.err(f"{warning}\n")
    return dict(answer)


def wait_for(context: Context, flags: Flags, service_id: str) -> None:
    """The display of progress, unless --detach."""
    if flags.on("detach"):
        return
    from sampan.cli.converging import wait_until_converged

    wait_until_converged(context, service_id, quiet=flags.on("quiet"))


def create(context: Context, flags: Flags, words: list[str]) -> int:
    from sampan.cli.serviceflags.creation import service_spec
    from sampan.cli.serviceflags.resolving import auth_headers, pin_image

    spec = service_spec(context.client, flags, words)
    if not flags.on("no-resolve-image"):
        pin_image(context, spec)
    headers = auth_headers(context, spec, send=flags.on("with-registry-auth"))
    created = post(context, "/services/create", spec, headers=headers)
    context.say(created["ID"])
    wait_for(context, flags, created["ID"])
    return 0


def update(context: Context, flags: Flags, words: list[str]) -> int:
    service = get_service(context, words[0])
    spec = service["Spec"]
    query = [("version", str(service["Version"]["Index"]))]
    headers: dict[str, str] = {}
    if flags.on("rollback"):
        others = [flag.name for flag in UPDATE_FLAGS if flags.given(flag.name)]
        if set(others) - {"rollback", "detach", "quiet"}:
            raise Exit(1, "other flags may not be combined with --rollback")
        query.append(("rollback", "previous"))
    else:
        from sampan.cli.serviceflags.changing import change
        from sampan.cli.serviceflags.resolving import auth_headers, pin_image

        change(context.client, spec, flags)
        if flags.given("image") and not flags.on("no-resolve-image"):
            pin_image(context, spec)
        headers = auth_headers(context, spec, send=flags.on("with-registry-auth"))
        if not headers:
            query.append(("registryAuthFrom", "spec"))
    post(context, path(service["ID"], "/update"), spec, query=query, headers=headers)
    context.say(words[0])
    wait_for(context, flags, service["ID"])
    return 0


def rollback(context: Context, flags: Flags, words: list[str]) -> int:
    service = get_service(context, words[0])
    query = [("version", str(service["Version"]["Index"])), ("rollback", "previous")]
    post(context, path(service["ID"], "/update"), service["Spec"], query=query)
    context.say(words[0])
    wait_for(context, flags, service["ID"])
    return 0


def scale(context: Context, flags: Flags, words: list[str]) -> int:
    wanted: list[tuple[str, int]] = []
    for word in words:
        name, equals, count = word.partition("=")
        if not equals or not name:
            raise Exit(1, f"invalid scale specifier '{word}'.")
        if not count.isdecimal():
            raise Exit(1, f"invalid replicas value {count}: a number is needed")
        wanted.append((name, int(count)))
    status = 0
    scaled: list[str] = []
    for name, replicas in wanted:
        try:
            scaled.append(_scale_one(context, name, replicas))
        except SampanError as error:
            context.err(f"{name}: {error.message}\n")
            status = 1
    for service_id in scaled:
        wait_for(context, flags, service_id)
    return status


def _scale_one(context: Context, name: str, count: int) -> str:
    service = get_service(context, name)
    mode = service["Spec"]["Mode"]
    if mode.get("Replicated") is not None:
        mode["Replicated"]["Replicas"] = count
    elif mode.get("ReplicatedJob") is not None:
        mode["ReplicatedJob"]["TotalCompletions"] = count
    else:
        raise SampanError("scale can only be used with replicated or replicated-job mode")
    query = [("version", str(service["Version"]["Index"]))]
    post(context, path(service["ID"], "/update"), service["Spec"], query=query)
    context.say(f"{name} scaled to {count}")
    return str(service["ID"])


def remove(context: Context, _flags: Flags, names: list[str]) -> int:
    return for_each(context, names, lambda name: context.client.delete(path(name)) or name)


_DETACH = Flag(
    "detach", "d", "bool", "Exit immediately instead of waiting for the service to converge"
)

CREATE = Command(
    create,
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    flags=CREATE_FLAGS,
    least=1,
    most=None,
    interspersed=False,
)
UPDATE = Command(update, "[OPTIONS] SERVICE", flags=UPDATE_FLAGS, least=1, most=1)
ROLLBACK = Command(
    rollback,
    "[OPTIONS] SERVICE",
    flags=(_DETACH, Flag("quiet", "q", "bool", "Suppress progress output")),
    least=1,
    most=1,
)
SCALE = Command(
    scale,
    "SERVICE=REPLICAS [SERVICE=REPLICAS...]",
    flags=(_DETACH,),
    least=1,
    most=None,
)
RM = Command(remove, "SERVICE [SERVICE...]", least=1, most=None)
