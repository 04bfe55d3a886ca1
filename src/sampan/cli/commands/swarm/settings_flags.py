"""The swarm's settings as flags of `swarm init` and `swarm update`."""

from __future__ import annotations

from sampan.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.flags import Flags

_FORM = "invalid field '{}' must be a key=value pair"


def external_ca(text: str) -> dict[str, Any]:
    """protocol=cfssl,url=https://..,cacert=FILE and further options."""
    from pathlib import Path

    from sampan.cli.runflags.mounts import fields_of

    authority: dict[str, Any] = {"Protocol": "", "URL": "", "Options": {}, "CACert": ""}
    for field in fields_of(text):
        key, equals, value = field.partition("=")
        if not equals:
            raise ValueError(_FORM.format(field))
        if key.lower() == "protocol":
            if value.lower() != "cfssl":
                raise ValueError(f"unrecognized external CA protocol {value}")
            authority["Protocol"] = value.lower()
        elif key.lower() == "url":
            authority["URL"] = value
        elif key.lower() == "cacert":
            try:
                authority["CACert"] = Path(value).read_text(encoding="ascii")
            except OSError as error:
                raise ValueError(f"unable to read CA cert for external CA: {error}") from error
        else:
            authority["Options"][key] = value
    if not authority["Protocol"]:
        raise ValueError("the external-ca option needs a protocol= parameter")
    if not authority["URL"]:
        raise ValueError("the external-ca option needs a url= parameter")
    return authority


SETTINGS = (
    Flag("cert-expiry", "", "duration", "Validity period for node certificates", shown="2160h0m0s"),
    Flag("dispatcher-heartbeat", "", "duration", "Dispatcher heartbeat period", shown="5s"),
    Flag(
        "external-ca",
        "",
        "external-ca",
        "Specifications of one or more certificate signing endpoints",
        check=external_ca,
    ),
    Flag("max-snapshots", "", "uint", "Number of additional snapshots to retain"),
    Flag("snapshot-interval", "", "uint", "Number of entries between snapshots", shown="10000"),
    Flag("task-history-limit", "", "int", "Task history retention limit", shown="5"),
)


def lay_over(spec: dict[str, Any], flags: Flags) -> None:
    """Sets what the flags say in a swarm's spec."""
    if flags.given("task-history-limit"):
        spec["Orchestration"]["TaskHistoryRetentionLimit"] = flags.number("task-history-limit")
    if flags.given("dispatcher-heartbeat"):
        spec["Dispatcher"]["HeartbeatPeriod"] = flags.number("dispatcher-heartbeat")
    if flags.given("cert-expiry"):
        spec["CAConfig"]["NodeCertExpiry"] = flags.number("cert-expiry")
    if flags.given("external-ca"):
        spec["CAConfig"]["ExternalCAs"] = flags.objects("external-ca")
    if flags.given("max-snapshots"):
        spec["Raft"]["KeepOldSnapshots"] = flags.number("max-snapshots")
    if flags.given("snapshot-interval"):
        spec["Raft"]["SnapshotInterval"] = flags.number("snapshot-interval")
    if flags.given("autolock"):
        spec["EncryptionConfig"]["AutoLockManagers"] = flags.on("autolock")
