"""`secret` and `config`: create, inspect, ls, rm. The two differ in their words only."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.commands.inspect import show
from sampan.cli.each import for_each
from sampan.cli.flags import Flag
from sampan.cli.human import age, label_heading, label_text, local_time, seconds_of
from sampan.cli.naturally import natural_order
from sampan.cli.output import Listing
from sampan.cli.runflags.checks import label
from sampan.client.api import filters_text
from sampan.client.exchange import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def _content(path: str) -> bytes:
    import sys
    from pathlib import Path

    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Exit(1, f"error reading content from {path!r}: {error.strerror}") from error


def pretty(item: dict[str, Any], kind: str) -> str:
    import base64

    spec = item["Spec"]
    text = f"ID:\t\t\t{item['ID']}\nName:\t\t\t{spec['Name']}\n"
    if labels := spec.get("Labels"):
        text += "Labels:\n" + "".join(
            f" - {key}={value}\n" for key, value in sorted(labels.items())
        )
    if kind == "secret":
        text += f"Driver:\t\t\t{(spec.get('Driver') or {}).get('Name', '')}\n"
    text += f"Created at:            \t{local_time(seconds_of(item['CreatedAt']))}\n"
    text += f"Updated at:            \t{local_time(seconds_of(item['UpdatedAt']))}\n"
    if kind == "config":
        text += f"Data:\n{base64.b64decode(spec.get('Data', '')).decode(errors='replace')}\n"
    return text


class Kind:
    """The verbs of one of the two."""

    def __init__(self, name: str) -> None:
        self.name = name

    def path(self, name: str) -> str:
        return f"/{self.name}s/{quote(name)}"

    def create(self, context: Context, flags: Flags, words: list[str]) -> int:
        import base64

        driver = flags.text("driver")
        if driver and len(words) > 1:
            raise Exit(1, "when using secret driver secret data must be empty")
        if len(words) < 2 and not driver:
            raise Exit(1, f"missing the file to create {self.name} {words[0]} from")
        body: dict[str, object] = {"Name": words[0], "Labels": flags.mapping("label")}
        if len(words) > 1:
            body["Data"] = base64.b64encode(_content(words[1])).decode()
        if driver:
            body["Driver"] = {"Name": driver}
        if template := flags.text("template-driver"):
            body["Templating"] = {"Name": template}
        context.say(context.client.post(f"/{self.name}s/create", body=body)["ID"])
        return 0

    def inspect(self, context: Context, flags: Flags, names: list[str]) -> int:
        def get(name: str) -> Any:
            return context.client.get(self.path(name))

        if not flags.on("pretty"):
            return show(context, flags.text("format"), get, names)
        if flags.text("format"):
            raise Exit(1, "--format is incompatible with human friendly format")
        context.out("".join(pretty(get(name), self.name) for name in names))
        return 0

    def show_all(self, context: Context, flags: Flags, _words: list[str]) -> int:
        filters = flags.filters()
        query = [("filters", filters_text(filters))] if filters else []
        items = context.client.get(f"/{self.name}s", query)
        items.sort(key=lambda item: natural_order(item["Spec"]["Name"]))
        if flags.on("quiet"):
            context.out("".join(item["ID"] + "\n" for item in items))
            return 0
        format_text = flags.text("format") or context.config.text(f"{self.name}Format")
        context.out(self._listing().text(items, format_text))
        return 0

    def _listing(self) -> Listing:
        columns: dict[str, Any] = {
            "ID": ("ID", lambda item: item["ID"]),
            "Name": ("NAME", lambda item: item["Spec"]["Name"]),
            "Driver": ("DRIVER", lambda item: (item["Spec"].get("Driver") or {}).get("Name", "")),
            "CreatedAt": ("CREATED", lambda item: age(seconds_of(item["CreatedAt"]))),
            "UpdatedAt": ("UPDATED", lambda item: age(seconds_of(item["UpdatedAt"]))),
            "Labels": ("LABELS", lambda item: label_text(item["Spec"].get("Labels"))),
            "Label": (label_heading, lambda item: (item["Spec"].get("Labels") or {}).get),
        }
        fields = ["ID", "Name", "Driver", "CreatedAt", "UpdatedAt"]
        if self.name == "config":
            fields.remove("Driver")
        return Listing(f"*{self.name}.{self.name}Context", columns, fields)

    def remove(self, context: Context, _flags: Flags, names: list[str]) -> int:
        return for_each(context, names, lambda name: context.client.delete(self.path(name)) or name)


_SECRET, _CONFIG = Kind("secret"), Kind("config")
_LABEL = Flag("label", "l", "list", "Labels", check=label)
_TEMPLATE = Flag("template-driver", "", "string", "Template driver")
_LIST = (
    Flag("filter", "f", "filter", "Filter output based on conditions provided"),
    Flag("format", "", "string", "Format output: table, json, or a Go template"),
    Flag("quiet", "q", "bool", "Only display IDs"),
)
_INSPECT = (
    Flag("format", "f", "string", "Format output: json, or a Go template"),
    Flag("pretty", "", "bool", "Print the information in a human friendly format"),
)

SECRET_CREATE = Command(
    _SECRET.create,
    "[OPTIONS] SECRET [file|-]",
    flags=(Flag("driver", "d", "string", "Secret driver"), _LABEL, _TEMPLATE),
    least=1,
    most=2,
)
SECRET_INSPECT = Command(
    _SECRET.inspect, "[OPTIONS] SECRET [SECRET...]", flags=_INSPECT, least=1, most=None
)
SECRET_LS = Command(_SECRET.show_all, "[OPTIONS]", flags=_LIST)
SECRET_RM = Command(_SECRET.remove, "SECRET [SECRET...]", least=1, most=None)
CONFIG_CREATE = Command(
    _CONFIG.create, "[OPTIONS] CONFIG file|-", flags=(_LABEL, _TEMPLATE), least=2, most=2
)
CONFIG_INSPECT = Command(
    _CONFIG.inspect, "[OPTIONS] CONFIG [CONFIG...]", flags=_INSPECT, least=1, most=None
)
CONFIG_LS = Command(_CONFIG.show_all, "[OPTIONS]", flags=_LIST)
CONFIG_RM = Command(_CONFIG.remove, "CONFIG [CONFIG...]", least=1, most=None)
