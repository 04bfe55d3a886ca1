"""What a client asks of a swarm, its nodes, secrets and configs (Engine API v1.51 definitions).

Specs are kept by the swarm as they were given; see wire/services.py. Durations are nanoseconds.
"""

from typing import ClassVar

from sampan.wire.codec import Wire
from sampan.wire.services import DriverConfig


class ObjectVersion(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Index"})
    Index: int = 0


class OrchestrationConfig(Wire, frozen=True, kw_only=True):
    OMITNONE: ClassVar[frozenset[str]] = frozenset({"TaskHistoryRetentionLimit"})
    TaskHistoryRetentionLimit: int | None = None


class RaftConfig(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {"SnapshotInterval", "LogEntriesForSlowFollowers"}
    )
    OMITNONE: ClassVar[frozenset[str]] = frozenset({"KeepOldSnapshots"})
    SnapshotInterval: int = 0
    KeepOldSnapshots: int | None = None
    LogEntriesForSlowFollowers: int = 0
    ElectionTick: int = 0
    HeartbeatTick: int = 0


class DispatcherConfig(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"HeartbeatPeriod"})
    HeartbeatPeriod: int = 0


class ExternalCA(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Options"})
    Protocol: str = ""
    URL: str = ""
    Options: dict[str, str] | None = None
    CACert: str = ""


class CertificateConfig(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {"NodeCertExpiry", "ExternalCAs", "SigningCACert", "SigningCAKey", "ForceRotate"}
    )
    NodeCertExpiry: int = 0
    ExternalCAs: list[ExternalCA] | None = None
    SigningCACert: str = ""
    SigningCAKey: str = ""
    ForceRotate: int = 0


class TaskDefaultConfig(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"LogDriver"})
    LogDriver: DriverConfig | None = None


class LockConfig(Wire, frozen=True, kw_only=True):
    AutoLockManagers: bool = False


class SwarmSpec(Wire, frozen=True, kw_only=True):
    Name: str = ""
    Labels: dict[str, str] | None = None
    Orchestration: OrchestrationConfig = OrchestrationConfig()
    Raft: RaftConfig = RaftConfig()
    Dispatcher: DispatcherConfig = DispatcherConfig()
    CAConfig: CertificateConfig = CertificateConfig()
    TaskDefaults: TaskDefaultConfig = TaskDefaultConfig()
    EncryptionConfig: LockConfig = LockConfig()


class NodeSpec(Wire, frozen=True, kw_only=True):
    """Role: worker or manager. Availability: active, pause or drain."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Name", "Role", "Availability"})
    Name: str = ""
    Labels: dict[str, str] | None = None
    Role: str = ""
    Availability: str = ""


class SecretSpec(Wire, frozen=True, kw_only=True):
    """`Data` is standard base64, and never given back for secrets."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Data", "Driver", "Templating"})
    Name: str = ""
    Labels: dict[str, str] | None = None
    Data: str = ""
    Driver: DriverConfig | None = None
    Templating: DriverConfig | None = None


class ConfigSpec(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Data", "Templating"})
    Name: str = ""
    Labels: dict[str, str] | None = None
    Data: str = ""
    Templating: DriverConfig | None = None
