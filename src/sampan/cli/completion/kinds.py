"""What stands where on a command line: the kinds of arguments and of flags' values, as tables.

A kind is a name of `sources.SOURCES`, `files` or `folders`, or `image|container` for either; with
`:` or `=` behind it something follows in the same word. The last kind of a verb's arguments holds
for all that follow unless it is followed by "".
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
    "nodes.inspect:INSPECT": ("node",),
    "nodes.verbs:DEMOTE": ("node",),
    "nodes.verbs:PROMOTE": ("node",),
    "nodes.verbs:RM": ("node",),
    "nodes.verbs:UPDATE": ("node", ""),
    "services.inspect:INSPECT": ("service",),
    "services.logs:LOGS": ("service|task", ""),
    "services.ps:NODE_PS": ("node",),
    "services.ps:PS": ("service",),
    "services.verbs:CREATE": ("image", "files"),
    "services.verbs:RM": ("service",),
    "services.verbs:ROLLBACK": ("service", ""),
    "services.verbs:SCALE": ("service=",),
    "services.verbs:UPDATE": ("service", ""),
    "stacks.deploy:DEPLOY": ("stack", ""),
    "stacks.listing:PS": ("stack", ""),
    "stacks.listing:SERVICES": ("stack", ""),
    "stacks.removal:RM": ("stack",),
    "swarm.tokens:JOIN_TOKEN": ("=worker|manager", ""),
    "swarmfiles.verbs:CONFIG_CREATE": ("", "files", ""),
    "swarmfiles.verbs:CONFIG_INSPECT": ("config",),
    "swarmfiles.verbs:CONFIG_RM": ("config",),
    "swarmfiles.verbs:SECRET_CREATE": ("", "files", ""),
    "swarmfiles.verbs:SECRET_INSPECT": ("secret",),
    "swarmfiles.verbs:SECRET_RM": ("secret",),
    "volumes.verbs:RM": ("volume",),
}

# Flag -> kind of its value, whichever verb it is given to that isn't in VALUES_OF.
VALUES: dict[str, str] = {
    "availability": "=active|pause|drain",
    "ca-cert": "files",
    "ca-key": "files",
    "cap-add": "capability",
    "cap-drop": "capability",
    "cgroupns": "=host|private",
    "cidfile": "files",
    "compose-file": "files",
    "config": "folders",
    "config-add": "config",
    "config-rm": "config",
    "endpoint-mode": "=vip|dnsrr",
    "env-file": "files",
    "file": "files",
    "health-on-failure": "=none|kill|restart|stop",
    "image": "image",
    "input": "files",
    "ipc": "=none|private|shareable|host",
    "label-file": "files",
    "link": "container",
    "log-driver": "=json-file|local|none",
    "log-level": "=debug|info|warn|error|fatal",
    "net": "network",
    "network": "network",
    "network-add": "network",
    "network-rm": "network",
    "output": "files",
    "pid": "=host",
    "pull": "=always|missing|never",
    "resolve-image": "=always|changed|never",
    "restart": "=no|on-failure|always|unless-stopped",
    "restart-condition": "=none|on-failure|any",
    "role": "=worker|manager",
    "rollback-failure-action": "=pause|continue",
    "rollback-order": "=start-first|stop-first",
    "runtime": "=crun|runc",
    "secret": "secret",
    "secret-add": "secret",
    "secret-rm": "secret",
    "signal": "signal",
    "stop-signal": "signal",
    "template-driver": "=golang",
    "tlscacert": "files",
    "tlscert": "files",
    "tlskey": "files",
    "tmpfs": "folders",
    "type": "=container|image|network|volume",
    "update-failure-action": "=pause|continue|rollback",
    "update-order": "=start-first|stop-first",
    "userns": "=host",
    "uts": "=host",
    "volume": "volume:|files",
    "volumes-from": "container",
    "workdir": "folders",
}


VALUES_OF: dict[tuple[str, str], str] = {
    ("services.verbs:CREATE", "config"): "config",
    ("services.verbs:CREATE", "mode"): "=replicated|global|replicated-job|global-job",
    ("images.build:BUILD", "secret"): "",
}


def value_kind(entry: str, flag: str) -> str:
    """The kind of a flag's value; `entry` is "" for the program's own flags."""
    return VALUES_OF.get((entry, flag), VALUES.get(flag, ""))


def argument_kind(entry: str, position: int) -> str:
    """The kind of a verb's argument; "" for one that nothing is known about."""
    kinds = ARGUMENTS.get(entry, ("",))
    return kinds[min(position, len(kinds) - 1)]
