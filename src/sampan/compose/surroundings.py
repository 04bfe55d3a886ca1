"""What the body of a container depends on besides its project.

Found out by whoever asks the engine, used by the pure translation of a service.
"""

from collections.abc import Mapping, Sequence

from sampan.lib.records import Record


class Inherited(Record, frozen=True, kw_only=True):
    """A volume of the container that is replaced: `source` is its name, or a host path."""

    target: str
    type: str
    source: str
    read_only: bool = False


class Surroundings(Record, frozen=True, kw_only=True):
    """What a body depends on besides the project.

    `links` are names of containers by service. `image` is the image's id, `image_volumes` the
    paths it declares. `replaces` names the container whose place this one takes, `slug` marks a
    one-off one; `aliases`: whether the service's names on its networks lead to it.
    """

    number: int = 1
    slug: str = ""
    name: str = ""
    config_hash: str = ""
    image: str = ""
    image_volumes: frozenset[str] = frozenset()
    inherited: Sequence[Inherited] = ()
    links: Mapping[str, Sequence[str]] = {}
    replaces: str = ""
    aliases: bool = True
