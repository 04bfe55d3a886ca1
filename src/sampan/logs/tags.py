"""What records carry besides their text: a tag made from a template, chosen labels and variables.

A tag is a Go template over dockerd's facts of a container. There are fields (`{{.Name}}`), entries
of the two maps (`{{.ContainerLabels.app}}`, `{{index .ContainerLabels "app"}}`) and the functions
`upper`, `lower`, `title`, `truncate FIELD n` and `json`; anything else is refused.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sampan.errors import InvalidArgument

DEFAULT_TAG = "{{.ID}}"
_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')
_MAPS = ("ContainerLabels", "ContainerEnv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What templates may name. `image_id` is with its algorithm (`sha256:...`)."""

    id: str
    name: str
    image_id: str
    image_name: str
    command: str
    labels: Mapping[str, str]
    env: Mapping[str, str]
    daemon_name: str = "docker"
    hostname: str = ""

    def fields(self) -> dict[str, str]:
        return {
            "ID": self.id[:12],
            "FullID": self.id,
            "ContainerID": self.id,
            "Name": self.name,
            "ContainerName": f"/{self.name}",
            "ImageID": self.image_id.removeprefix("sha256:")[:12],
            "ImageFullID": self.image_id,
            "ContainerImageID": self.image_id,
            "ImageName": self.image_name,
            "ContainerImageName": self.image_name,
            "Command": self.command,
            "DaemonName": self.daemon_name,
            "Hostname": self.hostname,
        }


NOTHING = Facts(id="", name="", image_id="", image_name="", command="", labels={}, env={})


class BadTag(InvalidArgument):
    def __init__(self, action: str) -> None:
        super().__init__(
            f"failed to initialize logging driver: template: log-tag:1: cannot use {{{{{action}}}}}"
        )


def render(template: str, facts: Facts) -> str:
    """The tag. Raises InvalidArgument for what the subset doesn't have."""
    if template.count("{{") != len(_ACTION.findall(template)):
        raise BadTag(template.rpartition("{{")[2])
    return _ACTION.sub(lambda action: _evaluate(action[1], facts), template)


def _evaluate(action: str, facts: Facts) -> str:
    match _WORD.findall(action):
        case [str(operand)]:
            return _operand(operand, facts, action)
        case ["index", str(operand), str(key)] if operand.removeprefix(".") in _MAPS:
            return _map(operand.removeprefix("."), facts).get(_unquoted(key, action), "")
        case ["upper", str(operand)]:
            return _operand(operand, facts, action).upper()
        case ["lower", str(operand)]:
            return _operand(operand, facts, action).lower()
        case ["title", str(operand)]:
            return _operand(operand, facts, action).title()
        case ["json", str(operand)]:
            return json.dumps(_operand(operand, facts, action), ensure_ascii=False)
        case ["truncate", str(operand), str(count)] if count.isdecimal():
            return _operand(operand, facts, action)[: int(count)]
    raise BadTag(action)


def _operand(word: str, facts: Facts, action: str) -> str:
    if word.startswith('"'):
        return _unquoted(word, action)
    name, _, key = word.removeprefix(".").partition(".")
    if not word.startswith("."):
        raise BadTag(action)
    if key and name in _MAPS:
        return _map(name, facts).get(key, "")
    fields = facts.fields()
    if key or name not in fields:
        raise BadTag(action)
    return fields[name]


def _map(name: str, facts: Facts) -> Mapping[str, str]:
    return facts.labels if name == "ContainerLabels" else facts.env


def _unquoted(word: str, action: str) -> str:
    try:
        text = json.loads(word)
    except ValueError:
        raise BadTag(action) from None
    return str(text)


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression of an option. Raises InvalidArgument."""
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidArgument(f"invalid regular expression '{text}': {error}") from error


def chosen(options: Mapping[str, str], facts: Facts) -> dict[str, str]:
    """The labels and variables that `labels`, `env` and their `-regex` forms name."""
    found: dict[str, str] = {}
    for names, source in ((options.get("labels"), facts.labels), (options.get("env"), facts.env)):
        for name in (names or "").split(","):
            if name.strip() in source:
                found[name.strip()] = source[name.strip()]
    for regex, source in (
        (options.get("labels-regex"), facts.labels),
        (options.get("env-regex"), facts.env),
    ):
        if regex:
            wanted = pattern(regex)
            found.update({name: text for name, text in source.items() if wanted.search(name)})
    return found


def attributes(options: Mapping[str, str], facts: Facts) -> dict[str, str]:
    """The `attrs` of a json-file record: what was chosen, and a tag if one was asked for."""
    found = chosen(options, facts)
    if tag := options.get("tag"):
        found["tag"] = render(tag, facts)
    return found
