"""`inspect` of every kind of object: the engine's JSON as it is, or a template over it."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag
from sampan.cli.output import unescape
from sampan.cli.platforms import platform_query
from sampan.client.errors import EngineError
from sampan.client.exchange import quote
from sampan.errors import SampanError
from sampan.lib.jsontext import encode, encode_indented

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

    Get = Callable[[str], Any]

TEMPLATE_STATUS = 64
KINDS = ("container", "image", "network", "volume", "service", "task", "node", "secret", "config")
OF_SWARM = frozenset({"service", "task", "node", "secret", "config"})


def _getter(context: Context, kind: str, flags: Flags) -> Get:
    if kind == "container":
        query = [("size", "1")] if flags.on("size") else []
        return lambda name: context.client.get(
            f"/containers/{quote(name.removeprefix('/'))}/json", query
        )
    if kind == "image":
        platform = platform_query(flags.text("platform"))
        return lambda name: context.client.get(f"/images/{quote(name, '/:@')}/json", platform)
    if kind == "network":
        verbose = [("verbose", "true")] if flags.on("verbose") else []
        return lambda name: context.client.get(f"/networks/{quote(name)}", verbose)
    if kind == "volume":
        return lambda name: context.client.get(f"/volumes/{quote(name)}")
    if kind in OF_SWARM:
        return lambda name: context.client.get(f"/{kind}s/{quote(name)}")
    raise Exit(1, f'"{kind}" is not a valid value for --type')


def _any_kind(context: Context, flags: Flags) -> Get:
    getters = [(kind, _getter(context, kind, flags)) for kind in KINDS]

    def get(name: str) -> Any:
        for kind, getter in getters:
            try:
                return getter(name)
            except EngineError as error:
                # An engine may refuse the name's form for one kind (400) and know it as another.
                # Nouns of a swarm are unknown to an engine that manages none (503).
                if error.status not in {400, 404} and not (
                    kind in OF_SWARM and error.status == 503
                ):
                    raise
        raise SampanError(f"Error: No such object: {name}")

    return get


def _collect(get: Get, names: Sequence[str]) -> tuple[list[Any], list[str]]:
    found: list[Any] = []
    failures: list[str] = []
    for name in names:
        try:
            found.append(get(name))
        except SampanError as error:
            failures.append(error.message)
    return found, failures


def _templated(found: Sequence[Any], text: str) -> tuple[str, str]:
    """The output, and why it stops early (""). Raises Exit when the template can't be parsed."""
    from sampan.cli.shapes import typed
    from sampan.lib.gotemplate.nodes import TemplateError
    from sampan.lib.gotemplate.template import Template

    try:
        template = Template(unescape(text))
    except TemplateError as error:
        raise Exit(TEMPLATE_STATUS, f"template parsing error: {error}") from error
    lines: list[str] = []
    for item in found:
        try:
            lines.append(template.render(typed(item)) + "\n")
        except TemplateError as error:
            return "".join(lines) + "\n", f"template parsing error: {error}"
    return "".join(lines), ""


def show(context: Context, format_text: str, get: Get, names: Sequence[str]) -> int:
    """Prints what `get` finds for the names, then the failures; status 1 if there are any."""
    if format_text not in {"", "json"}:
        _templated((), format_text)
    found, failures = _collect(get, names)
    if not format_text:
        context.out(encode_indented(found) + "\n")
    elif format_text == "json":
        context.out(encode(found) + "\n")
    else:
        text, failure = _templated(found, format_text)
        context.out(text)
        failures = [failure] if failure else failures
    for failure in failures:
        context.err(failure + "\n")
    return 1 if failures else 0


def run(context: Context, flags: Flags, names: list[str]) -> int:
    kind = flags.text("type")
    if flags.given("type") and not kind:
        raise Exit(1, "type is empty: must be one of " + ", ".join(f'"{each}"' for each in KINDS))
    get = _getter(context, kind, flags) if kind else _any_kind(context, flags)
    return show(context, flags.text("format"), get, names)


def _of(kind: str) -> Callable[[Context, Flags, list[str]], int]:
    return lambda context, flags, names: show(
        context, flags.text("format"), _getter(context, kind, flags), names
    )


_FORMAT = Flag("format", "f", "string", "Format output: json, or a Go template")
_SIZE = Flag("size", "s", "bool", "Display total file sizes if the type is container")

INSPECT = Command(
    run,
    "[OPTIONS] NAME|ID [NAME|ID...]",
    flags=(
        _FORMAT,
        _SIZE,
        Flag("type", "", "string", "Only inspect objects of the given type"),
    ),
    least=1,
    most=None,
)
INSPECT_CONTAINER = Command(
    _of("container"),
    "[OPTIONS] CONTAINER [CONTAINER...]",
    flags=(_FORMAT, _SIZE),
    least=1,
    most=None,
)
INSPECT_IMAGE = Command(
    _of("image"),
    "[OPTIONS] IMAGE [IMAGE...]",
    flags=(
        _FORMAT,
        Flag("platform", "", "string", "Inspect this platform (os[/arch[/variant]])"),
    ),
    least=1,
    most=None,
)
INSPECT_NETWORK = Command(
    _of("network"),
    "[OPTIONS] NETWORK [NETWORK...]",
    flags=(_FORMAT, Flag("verbose", "v", "bool", "Verbose output for diagnostics")),
    least=1,
    most=None,
)
INSPECT_VOLUME = Command(
    _of("volume"), "[OPTIONS] VOLUME [VOLUME...]", flags=(_FORMAT,), least=1, most=None
)
