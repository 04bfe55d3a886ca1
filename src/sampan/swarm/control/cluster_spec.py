"""The swarm's own settings: laying what a client sent over what is there.

A client's document replaces only what it says: zero and absent members keep what is there, except
AutoLockManagers, which has no "absent".
"""

from msgspec.structs import replace

from sampan.wire.swarm import (
    CertificateConfig,
    DispatcherConfig,
    LockConfig,
    OrchestrationConfig,
    RaftConfig,
    SwarmSpec,
    TaskDefaultConfig,
)


def merged(given: SwarmSpec, held: SwarmSpec) -> SwarmSpec:
    """`given` laid over `held`."""
    return SwarmSpec(
        Name=given.Name or held.Name,
        Labels=given.Labels or held.Labels or {},
        Orchestration=_orchestration(given.Orchestration, held.Orchestration),
        Raft=_raft(given.Raft, held.Raft),
        Dispatcher=DispatcherConfig(
            HeartbeatPeriod=given.Dispatcher.HeartbeatPeriod or held.Dispatcher.HeartbeatPeriod
        ),
        CAConfig=_certificates(given.CAConfig, held.CAConfig),
        TaskDefaults=TaskDefaultConfig(
            LogDriver=given.TaskDefaults.LogDriver or held.TaskDefaults.LogDriver
        ),
        EncryptionConfig=LockConfig(AutoLockManagers=given.EncryptionConfig.AutoLockManagers),
    )


def _orchestration(given: OrchestrationConfig, held: OrchestrationConfig) -> OrchestrationConfig:
    limit = given.TaskHistoryRetentionLimit
    return held if limit is None else OrchestrationConfig(TaskHistoryRetentionLimit=limit)


def _raft(given: RaftConfig, held: RaftConfig) -> RaftConfig:
    keep = given.KeepOldSnapshots
    return RaftConfig(
        SnapshotInterval=given.SnapshotInterval or held.SnapshotInterval,
        KeepOldSnapshots=held.KeepOldSnapshots if keep is None else keep,
        LogEntriesForSlowFollowers=(
            given.LogEntriesForSlowFollowers or held.LogEntriesForSlowFollowers
        ),
        ElectionTick=given.ElectionTick or held.ElectionTick,
        HeartbeatTick=given.HeartbeatTick or held.HeartbeatTick,
    )


def _certificates(given: CertificateConfig, held: CertificateConfig) -> CertificateConfig:
    return replace(
        held,
        NodeCertExpiry=given.NodeCertExpiry or held.NodeCertExpiry,
        ExternalCAs=given.ExternalCAs or None,
        SigningCACert=given.SigningCACert,
        SigningCAKey=given.SigningCAKey,
        ForceRotate=given.ForceRotate,
    )
