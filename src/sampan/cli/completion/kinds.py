"""What stands where on a command line: the kinds of arguments and of flags' values, as tables.

A kind is a name of `sources.SOURCES`, `files` or `folders`, or `image|container` for either. The
last kind of a verb's arguments holds for all that follow unless it is followed by "".
"""

from __future__ import annotations

ANY_OBJECT = "container|image|network|volume"

# Verb (as in lazy.VERBS' values) -> kinds of its arguments.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "completion:COMPLETION": ("shell", ""),
    "containers.attach:ATTACH": ("running", ""),
    "containers.commit:COMMIT": ("container", "image", ""),
    "containers.cp:CP": ("container:|files", "container:|files", ""),
    "containers.create:CREATE": ("image", "files"),
    "containers.exec:EXEC": ("running", "files"),
    "containers.lifecycle:KILL": ("running",),
    "containers.lifecycle:PAUSE": ("running",),
    "containers.lifecycle:RENAME": ("container", ""),
    "containers.lifecycle:RESTART": ("container",),
    "containers.lifecycle:RM": ("container",),
    "containers.lifecycle:STOP": ("running",),
    "containers.lifecycle:UNPAUSE": ("running",),
    "containers.lifecycle:WAIT": ("container",),
    "containers.logs:LOGS": ("container", ""),
    "containers.port:PORT": ("running", ""),
    "containers.run:RUN": ("image", "files"),
    "containers.start:START": ("stopped",),
    "containers.stats:STATS": ("running",),
    "containers.tree:DIFF": ("container", ""),
    "containers.tree:EXPORT": ("container", ""),
    "containers.tree:TOP": ("running", ""),
    "containers.update:UPDATE": ("container",),
    "images.build:BUILD": ("folders", ""),
    "images.history:HISTORY": ("image", ""),
    "images.listing:LS": ("image", ""),
    "images.load:IMPORT": ("files", "image", ""),
    "images.load:SAVE": ("image",),
    "images.pull:PULL": ("image", ""),
    "images.push:PUSH": ("image", ""),
    "images.tags:RM": ("image",),
    "images.tags:TAG": ("image", "image", ""),
    "inspect:INSPECT": (ANY_OBJECT,),
    "inspect:INSPECT_CONTAINER": ("container",),
    "inspect:INSPECT_IMAGE": ("image",),
    "inspect:INSPECT_NETWORK": ("network",),
    "inspect:INSPECT_VOLUME": ("volume",),
    "networks.connect:CONNECT": ("network", "container", ""),
    "networks.connect:DISCONNECT": ("network", "container", ""),
    "networks.listing:RM": ("network",),
    "volumes.verbs:RM": ("volume",),
}

# Flag -> kind of its value, whichever verb it is given to.
VALUES: dict[str, str] = {
    "cap-add": "capability",
    "cap-drop": "capability",
    "cgroupns": "=host|private",
    "cidfile": "files",
    "config": "folders",
    "env-file": "files",
    "file": "files",
    "health-on-failure": "=none|kill|restart|stop",
    "input": "files",
    "ipc": "=none|private|shareable|host",
    "label-file": "files",
    "link": "container",
    "log-driver": "=json-file|local|none",
    "log-level": "=debug|info|warn|error|fatal",
    "net": "network",
    "network": "network",
    "output": "files",
    "pid": "=host",
    "pull": "=always|missing|never",
    "restart": "=no|on-failure|always|unless-stopped",
    "runtime": "=crun|runc",
    "signal": "signal",
    "stop-signal": "signal",
    "tlscacert": "files",
    "tlscert": "files",
    "tlskey": "files",
    "tmpfs": "folders",
    "type": "=container|image|network|volume",
    "userns": "=host",
    "uts": "=host",
    "volume": "volume:|files",
    "volumes-from": "container",
    "workdir": "folders",
}


def argument_kind(entry: str, position: int) -> str:
    """The kind of a verb's argument; "" for one that nothing is known about."""
    kinds = ARGUMENTS.get(entry, ("",))
    return kinds[min(position, len(kinds) - 1)]
