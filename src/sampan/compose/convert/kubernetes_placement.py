"""Where pods may run: platform and deploy.placement -> nodeSelector, affinity, spreading."""

import re

from sampan.compose.convert.kubernetes_scope import Manifest, Scope
from sampan.compose.convert.names import is_label_key, is_label_value
from sampan.compose.convert.report import filled
from sampan.compose.model import Service

_CONSTRAINT = re.compile(r"^\s*([\w./-]+)\s*(==|!=)\s*(.*?)\s*$")
_KEYS = {
    "node.hostname": "kubernetes.io/hostname",
    "node.platform.os": "kubernetes.io/os",
    "node.platform.arch": "kubernetes.io/arch",
}
_NODE_LABEL = "node.labels."
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def placement(scope: Scope, service: Service) -> Manifest:
    wanted: dict[str, str] = {}
    system, _, rest = service.platform.partition("/")
    if rest:
        architecture = rest.partition("/")[0]
        wanted["kubernetes.io/os"] = system
        wanted["kubernetes.io/arch"] = _ARCHITECTURES.get(architecture, architecture)
    unwanted = []
    for text in service.deploy.placement.constraints if service.deploy else ():
        match = _CONSTRAINT.match(text)
        key = _label(match[1]) if match else ""
        if match is None or not key or not is_label_value(match[3]):
            scope.report.dropped(
                service.name, "deploy.placement.constraints", f"no equivalent of {text}"
            )
        elif match[2] == "==":
            wanted[key] = match[3]
        else:
            unwanted.append({"key": key, "operator": "NotIn", "values": [match[3]]})
    affinity: Manifest = {}
    if unwanted:
        terms = {"nodeSelectorTerms": [{"matchExpressions": unwanted}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    return filled(
        {
            "nodeSelector": wanted,
            "affinity": affinity,
            "topologySpreadConstraints": _spread(scope, service),
        }
    )


def _label(text: str) -> str:
    if text.startswith(_NODE_LABEL):
        key = text.removeprefix(_NODE_LABEL)
        return key if is_label_key(key) else ""
    return _KEYS.get(text, "")


def _spread(scope: Scope, service: Service) -> list[Manifest]:
    if service.deploy is None:
        return []
    found = []
    for preference in service.deploy.placement.preferences:
        key = _label(preference.spread)
        if key:
            found.append(_skew(scope, service, key, "ScheduleAnyway"))
        else:
            scope.report.dropped(
                service.name, "deploy.placement.preferences", f"no label {preference.spread}"
            )
    if service.deploy.placement.max_replicas_per_node:
        scope.report.dropped(
            service.name, "deploy.placement.max_replicas_per_node", "no number for one node"
        )
    return found


def _skew(scope: Scope, service: Service, key: str, otherwise: str) -> Manifest:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": otherwise,
        "labelSelector": {"matchLabels": scope.selector(service)},
    }
