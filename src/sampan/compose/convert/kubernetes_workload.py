"""A service -> Deployment, DaemonSet or Job.

deploy.mode global                          DaemonSet
*-job, awaited by service_completed_..., or
  `restart: "no"` and no ports              Job
everything else                             Deployment; Recreate when it has a claim that only
                                            one pod may mount
"""

from sampan.compose.attributes import UpdateConfig
from sampan.compose.convert import kubernetes_security as security
from sampan.compose.convert.kubernetes_container import container, init_containers
from sampan.compose.convert.kubernetes_files import Files
from sampan.compose.convert.kubernetes_placement import placement
from sampan.compose.convert.kubernetes_scope import Manifest, Scope
from sampan.compose.convert.kubernetes_volumes import PodVolumes, alone
from sampan.compose.convert.names import dns_label, is_label_key, is_label_value
from sampan.compose.convert.quantities import whole_seconds
from sampan.compose.convert.report import Report, filled
from sampan.compose.convert.wants import restart, runs_to_the_end
from sampan.compose.model import Service

_API = {"Deployment": "apps/v1", "DaemonSet": "apps/v1", "Job": "batch/v1"}
_DEFAULT_BACKOFF = 6
_UPDATE_REASONS = {
    "monitor": "no watch over new pods besides their probes",
    "max_failure_ratio": "an update waits at the first pod that isn't ready",
}
_POLICY_REASONS = {
    "delay": "the kubelet's own pauses, from 10 s on",
    "window": "the kubelet decides when a start counts",
}


def workload(scope: Scope, files: Files, service: Service) -> Manifest:
    kind = _kind(scope, service)
    name = scope.services.of(service.name)
    labels, annotations = _labels(scope.report, service, "deploy.labels", _deploy_labels(service))
    metadata = scope.metadata(name, service)
    metadata["labels"] = labels | metadata["labels"]
    metadata |= filled({"annotations": annotations})
    spec = _job(scope, service) if kind == "Job" else _lasting(scope, service, kind)
    spec["template"] = _template(scope, files, service, kind)
    return {"apiVersion": _API[kind], "kind": kind, "metadata": metadata, "spec": spec}


def _kind(scope: Scope, service: Service) -> str:
    if runs_to_the_end(scope.project, service):
        if service.deploy and service.deploy.mode == "global-job":
            scope.report.dropped(service.name, "deploy.mode", "a Job doesn't run on every node")
        return "Job"
    policy = restart(service)
    if policy.stated and policy.condition != "any":
        scope.report.dropped(
            service.name, "restart", f"{policy.condition}: pods that stay up always restart"
        )
    return "DaemonSet" if service.deploy and service.deploy.mode == "global" else "Deployment"


def _deploy_labels(service: Service) -> dict[str, str]:
    return dict(service.deploy.labels) if service.deploy else {}


def _labels(
    report: Report, service: Service, key: str, given: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Labels where they fit; what doesn't becomes an annotation."""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    for name, text in given.items():
        if not is_label_key(name):
            report.dropped(service.name, f"{key}.{name}", "no name of a label or annotation")
        elif is_label_value(text):
            labels[name] = text
        else:
            annotations[name] = text
            report.changed(service.name, f"{key}.{name}", "an annotation: no value of a label")
    return labels, annotations


def _job(scope: Scope, service: Service) -> Manifest:
    policy = restart(service)
    attempts = policy.attempts if policy.attempts is not None else _DEFAULT_BACKOFF
    count = service.replicas
    found: Manifest = {"backoffLimit": 0 if policy.condition == "no" else attempts}
    if count != 1:
        found |= {"completions": count, "parallelism": count}
    return found


def _lasting(scope: Scope, service: Service, kind: str) -> Manifest:
    found: Manifest = {} if kind == "DaemonSet" else {"replicas": service.replicas}
    found["selector"] = {"matchLabels": scope.selector(service)}
    update = service.deploy.update_config if service.deploy else None
    _lost(scope.report, service, update)
    if update is not None and update.delay:
        found["minReadySeconds"] = whole_seconds(update.delay)
    if kind == "Deployment" and alone(scope, service):
        found["strategy"] = {"type": "Recreate"}
        if update is not None:
            scope.report.dropped(
                service.name, "deploy.update_config", "only one pod may have its volume: Recreate"
            )
    elif update is not None:
        place = "strategy" if kind == "Deployment" else "updateStrategy"
        found[place] = {"type": "RollingUpdate", "rollingUpdate": _steps(update)}
    return found


def _steps(update: UpdateConfig) -> Manifest:
    """Swarm's defaults: one at a time, the old one stops first; parallelism 0: all at once."""
    parallel = 1 if update.parallelism is None else update.parallelism
    count: int | str = parallel or "100%"
    if update.order == "start-first":
        return {"maxSurge": count, "maxUnavailable": 0}
    return {"maxSurge": 0, "maxUnavailable": count}


def _lost(report: Report, service: Service, update: UpdateConfig | None) -> None:
    report.fields(service.name, "deploy.update_config", update, _UPDATE_REASONS)
    if update is not None and update.failure_action not in {"", "pause"}:
        report.dropped(
            service.name,
            "deploy.update_config.failure_action",
            f"no {update.failure_action}: a failed update pauses",
        )
    if service.deploy is None:
        return
    if service.deploy.rollback_config is not None:
        report.dropped(service.name, "deploy.rollback_config", "rolling back goes like an update")
    policy = service.deploy.restart_policy
    report.fields(service.name, "deploy.restart_policy", policy, _POLICY_REASONS)
    if policy is not None and policy.max_attempts is not None:
        report.dropped(
            service.name, "deploy.restart_policy.max_attempts", "pods that stay up always restart"
        )


def _template(scope: Scope, files: Files, service: Service, kind: str) -> Manifest:
    labels, annotations = _labels(scope.report, service, "labels", dict(service.labels))
    for name, text in service.annotations.items():
        if is_label_key(name):
            annotations[name] = text
        else:
            scope.report.dropped(service.name, f"annotations.{name}", "no name of an annotation")
    metadata = {"labels": labels | scope.selector(service)} | filled({"annotations": annotations})
    return {"metadata": metadata, "spec": _pod(scope, files, service, kind)}


def _pod(scope: Scope, files: Files, service: Service, kind: str) -> Manifest:
    volumes = PodVolumes(scope, files, service)
    name = scope.services.of(service.name)
    grace = service.stop_grace_period
    found: Manifest = filled({"initContainers": init_containers(scope, service, name)})
    found["containers"] = [container(scope, files, service, volumes.mounts)]
    # variables like WEB_PORT for every Service would get in the way of the application's own
    found["enableServiceLinks"] = False
    found |= filled({"volumes": volumes.volumes, **_names(scope.report, service)})
    found |= security.of_pod(service, scope.report)
    found |= placement(scope, service)
    if kind == "Job":
        ends = restart(service).condition == "no" or not restart(service).stated
        found["restartPolicy"] = "Never" if ends else "OnFailure"
    if grace is not None:
        found["terminationGracePeriodSeconds"] = whole_seconds(grace, least=0)
    if service.network_mode == "host":
        found |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    return found | filled({"runtimeClassName": _runtime(scope.report, service)})


def _runtime(report: Report, service: Service) -> str:
    if not service.runtime:
        return ""
    name = dns_label(service.runtime)
    report.changed(service.name, "runtime", f"the RuntimeClass {name} must exist")
    return name


def _names(report: Report, service: Service) -> Manifest:
    """Host name, name servers and hosts besides those of the cluster."""
    hostname = service.hostname
    if hostname and dns_label(hostname) != hostname:
        report.dropped(service.name, "hostname", "not a DNS label")
        hostname = ""
    hosts: dict[str, list[str]] = {}
    for name, addresses in service.extra_hosts.items():
        for address in addresses:
            if address == "host-gateway":
                report.dropped(service.name, f"extra_hosts.{name}", "no address of the node")
            else:
                hosts.setdefault(address, []).append(name)
    options = []
    for text in service.dns_opt:
        name, _, value = text.partition(":")
        options.append({"name": name} | ({"value": value} if value else {}))
    config = {"nameservers": list(service.dns), "searches": list(service.dns_search)}
    return {
        "hostname": hostname,
        "hostAliases": [{"ip": ip, "hostnames": names} for ip, names in hosts.items()],
        "dnsConfig": filled({**config, "options": options}),
    }
