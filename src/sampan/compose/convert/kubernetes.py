"""A project -> Kubernetes manifests.

    Service -> Deployment | DaemonSet | Job      kubernetes_workload, _container, _security,
                                                 _placement
            -> Service(s)                        kubernetes_network
    configs, secrets, env files -> ConfigMap, Secret     kubernetes_files
    volumes -> PersistentVolumeClaim             kubernetes_volumes

Pure but for the files that `Source.read` reads. The order is the one to apply them in: what pods
mount comes first. One namespace holds one project: names have no project in front.
"""

from sampan.compose.convert.kubernetes_files import Files
from sampan.compose.convert.kubernetes_network import services
from sampan.compose.convert.kubernetes_scope import LOAD_BALANCER, Manifest, Scope
from sampan.compose.convert.kubernetes_security import HANDLED as SECURITY_KEYS
from sampan.compose.convert.kubernetes_volumes import claims
from sampan.compose.convert.kubernetes_workload import workload
from sampan.compose.convert.report import Report, Source
from sampan.compose.convert.wants import LIMIT_KEYS
from sampan.compose.model import Service

HANDLED = (
    SECURITY_KEYS
    | LIMIT_KEYS
    | frozenset(
        (
            *("annotations", "build", "command", "configs", "container_name", "deploy", "dns"),
            *("dns_opt", "dns_search", "entrypoint", "environment", "expose", "extra_hosts"),
            *("healthcheck", "hostname", "image", "labels", "platform", "ports", "post_start"),
            *("pre_start", "pre_stop", "pull_policy", "pull_refresh_after", "restart", "runtime"),
            *("secrets", "shm_size", "stdin_open", "stop_grace_period", "tmpfs", "tty"),
            *("volumes", "working_dir", "network_mode", "networks", "depends_on"),
        )
    )
)
REASONS = {
    "cgroup_parent": "the kubelet places containers in its own tree",
    "cpu_shares": "shares follow from the request for processors",
    "cpuset": "processors are pinned by the kubelet's policy",
    "credential_spec": "Windows only",
    "devices": "devices come from device plugins",
    "domainname": "pods get the cluster's domain",
    "external_links": "give the other container a Service",
    "init": "the image needs an init of its own",
    "links": "other names for a service: give it a network alias",
    "logging": "the node collects what containers write",
    "mac_address": "pods get the cluster's addresses",
    "memswap_limit": "swap is the kubelet's to decide",
    "models": "no models in Kubernetes",
    "oom_kill_disable": "follows from requests and limits",
    "oom_score_adj": "follows from requests and limits",
    "pids_limit": "the kubelet has one limit for all pods",
    "stop_signal": "set STOPSIGNAL in the image",
    "storage_opt": "no options for the container's layer",
    "ulimits": "set them in the node's runtime",
    "use_api_socket": "there is no engine to talk to",
    "volumes_from": "name the volumes in both services",
}
OTHER = "no equivalent in Kubernetes"
_ONE_NETWORK = "the cluster has one network, set up by its own means"
NETWORK_REASONS = {
    **dict.fromkeys(("driver", "driver_opts", "ipam", "external", "enable_ipv6"), _ONE_NETWORK),
    "internal": "pods reach the outside",
}
_ADDRESS_KEYS = ("ipv4_address", "ipv6_address", "link_local_ips", "mac_address", "driver_opts")
_ATTACHED = ("interface_name", "priority", "gw_priority")


def kubernetes(
    source: Source, *, service_type: str = LOAD_BALANCER
) -> tuple[list[Manifest], Report]:
    scope = Scope(source, service_type)
    files = Files(scope)
    for name in scope.project.services:  # names go by the file's order, not by who asks first
        scope.services.of(name)
    running: list[Manifest] = []
    for service in scope.project.services.values():
        if service.provider is not None:
            scope.report.dropped(service.name, "provider", "a program of this machine provides it")
            continue
        running += services(scope, service)
        running.append(workload(scope, files, service))
        _network(scope, service)
        _order(scope, service)
        scope.report.rest(service, HANDLED, REASONS, OTHER)
    for key, network in scope.project.networks.items():
        scope.report.fields("", f"networks.{key}", network, NETWORK_REASONS)
    return [*files.manifests, *claims(scope), *running], scope.report


def _network(scope: Scope, service: Service) -> None:
    mode = service.network_mode
    if mode not in {"", "host", "bridge", "default"}:
        scope.report.dropped(service.name, "network_mode", f"{mode}: a pod has its own network")
    for key, attachment in service.networks.items():
        if attachment is None:
            continue
        for field in (*_ADDRESS_KEYS, *_ATTACHED):
            if getattr(attachment, field):
                where = f"networks.{key}.{field}"
                scope.report.dropped(service.name, where, "pods get the cluster's addresses")
    apart = set(scope.project.networks) - set(service.networks)
    if service.networks and apart:
        scope.report.dropped(
            service.name,
            "networks",
            f"not kept apart from {', '.join(sorted(apart))}: one network reaches every pod",
        )


def _order(scope: Scope, service: Service) -> None:
    for name, how in service.depends_on.items():
        scope.report.dropped(
            service.name,
            f"depends_on.{name}",
            f"{how.condition}: everything starts at once and must wait by itself",
        )
