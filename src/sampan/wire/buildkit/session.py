"""What a client serves over its session: files, credentials, secrets, agents; the methods' names.

Field numbers are those of fsutil's types/{wire,stat}.proto and of BuildKit's session/*.proto. The
headers belong to calls whose messages have no place for what they say.
"""

from dataclasses import dataclass
from enum import IntEnum

from sampan.wire.buildkit.protobuf import (
    Message,
    data,
    data_map,
    integer,
    message,
    text,
)

FILES_IN = "/moby.filesync.v1.FileSync/DiffCopy"
FILES_OUT = "/moby.filesync.v1.FileSend/DiffCopy"
CREDENTIALS = "/moby.filesync.v1.Auth/Credentials"
SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret"  # noqa: S105 - a method's name
CHECK_AGENT = "/moby.sshforward.v1.SSH/CheckAgent"
FORWARD_AGENT = "/moby.sshforward.v1.SSH/ForwardAgent"
UPLOAD = "/moby.upload.v1.Upload/Pull"
HEALTH = "/grpc.health.v1.Health/Check"

SSH_ID_HEADER = "buildkit.ssh.id"  # FORWARD_AGENT: which agent
UPLOAD_PATH_HEADER = "urlpath"  # UPLOAD: the path of the URL that the build was given
UPLOAD_URL = "http://buildkit-session/"  # begins URLs that mean an upload
DIRECTORY_HEADER = "dir-name"  # FILES_IN: which of the client's directories
EXCLUDE_HEADER, FOLLOW_HEADER = "exclude-patterns", "followpaths"  # FILES_IN: which of its files
EXPORTER_HEADER = "buildkit-attachable-exporter-id"  # FILES_OUT: which exporter of the request


class PacketType(IntEnum):
    STAT = 0
    REQ = 1
    DATA = 2
    FIN = 3
    ERR = 4


@dataclass(slots=True)
class Stat(Message):
    """`mode` is Go's os.FileMode. A regular file with `linkname` is a hard link to that path."""

    path: str = text(1)
    mode: int = integer(2)
    uid: int = integer(3)
    gid: int = integer(4)
    size: int = integer(5)
    modTime: int = integer(6)
    linkname: str = text(7)
    devmajor: int = integer(8)
    devminor: int = integer(9)
    xattrs: dict[str, bytes] = data_map(10)


@dataclass(slots=True)
class Packet(Message):
    type: int = integer(1)
    stat: Stat | None = message(2, Stat)
    ID: int = integer(3)
    data: bytes = data(4)


@dataclass(slots=True)
class CredentialsRequest(Message):
    Host: str = text(1)


@dataclass(slots=True)
class CredentialsReply(Message):
    Username: str = text(1)
    Secret: str = text(2)


@dataclass(slots=True)
class SecretRequest(Message):
    ID: str = text(1)


@dataclass(slots=True)
class SecretReply(Message):
    data: bytes = data(1)


@dataclass(slots=True)
class CheckAgentRequest(Message):
    ID: str = text(1)
