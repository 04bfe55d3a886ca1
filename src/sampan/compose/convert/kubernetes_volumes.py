"""Mounts of a service -> volumes of its pod and mounts of its container, and the claims they need.

named volume        PersistentVolumeClaim (ReadWriteOnce for one pod, else ReadWriteMany)
anonymous, tmpfs,   emptyDir (in memory for the last two)
  shm_size
bind of a file of   ConfigMap
  the project
other binds         hostPath
config, secret      ConfigMap, Secret
"""

from sampan.compose.attributes import FileReference, VolumeMount
from sampan.compose.convert.kubernetes_files import CONTENT, LARGEST, Files, target
from sampan.compose.convert.kubernetes_scope import Manifest, Scope
from sampan.compose.convert.names import Names
from sampan.compose.convert.quantities import memory
from sampan.compose.convert.report import filled
from sampan.compose.convert.wants import lost_mount_settings, tmpfs_options
from sampan.compose.model import Service, Volume
from sampan.compose.scalars import Bytes
from sampan.errors import InvalidArgument

CLAIM_SIZE = "1Gi"  # Compose has no size for volumes
PROPAGATION = {"rshared": "Bidirectional", "rslave": "HostToContainer", "rprivate": "None"}
PROPAGATION |= {"shared": "Bidirectional", "slave": "HostToContainer", "private": "None"}
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the path that programs look for
ONCE, MANY = "ReadWriteOnce", "ReadWriteMany"


class PodVolumes:
    """Volumes and mounts of one pod."""

    def __init__(self, scope: Scope, files: Files, service: Service) -> None:
        self._scope = scope
        self._files = files
        self._service = service
        self._names = Names()
        self._volumes: dict[str, Manifest] = {}
        self.mounts: list[Manifest] = []
        for mount in service.volumes:
            lost_mount_settings(service, mount, scope.report)
            self._mount(mount)
        for text in service.tmpfs:
            self._tmpfs(text)
        if service.shm_size:
            self._memory("shm_size", SHARED_MEMORY, int(service.shm_size))
        for kind in CONTENT:
            for one in getattr(service, kind):
                self._file(kind, one)

    @property
    def volumes(self) -> list[Manifest]:
        return [{"name": name, **each} for name, each in self._volumes.items()]

    def _dropped(self, key: str, reason: str) -> None:
        self._scope.report.dropped(self._service.name, key, reason)

    def _changed(self, key: str, reason: str) -> None:
        self._scope.report.changed(self._service.name, key, reason)

    def _add(self, seed: str, volume: Manifest, path: str, **mount: object) -> None:
        if any(each["mountPath"] == path for each in self.mounts):
            self._dropped(f"volumes.{path}", "mounted twice at the same path")
            return
        if not path.startswith("/") or ":" in path:
            self._dropped(f"volumes.{path}", "no absolute path, or one with a colon")
            return
        name = self._names.of(seed)
        self._volumes[name] = volume
        self.mounts.append(filled({"name": name, "mountPath": path, **mount}))

    def _mount(self, mount: VolumeMount) -> None:
        read_only = mount.read_only or None
        key = f"volumes.{mount.target}"
        match mount.type:
            case "volume" if mount.source:
                claim = {"claimName": self._scope.claims.of(mount.source)}
                path = mount.volume.subpath if mount.volume else ""
                self._add(
                    f"volume-{mount.source}",
                    {"persistentVolumeClaim": claim},
                    mount.target,
                    readOnly=read_only,
                    subPath=path,
                )
            case "volume":
                self._add(f"anonymous-{mount.target}", {"emptyDir": {}}, mount.target)
            case "tmpfs":
                self._memory(
                    f"tmpfs-{mount.target}",
                    mount.target,
                    int(mount.tmpfs.size) if mount.tmpfs else 0,
                )
            case "bind":
                self._bind(mount)
            case "image":
                image = {"reference": mount.source, "pullPolicy": "IfNotPresent"}
                path = mount.image.subpath if mount.image else ""
                self._add(f"image-{mount.target}", {"image": image}, mount.target, subPath=path)
            case _:
                self._dropped(key, f"no mounts of type {mount.type}")

    def _bind(self, mount: VolumeMount) -> None:
        key = f"volumes.{mount.target}"
        folder = f"{self._scope.project.working_dir}/"
        content = self._scope.source.read(mount.source) if mount.source.startswith(folder) else None
        if content is not None and len(content) <= LARGEST:
            name, item = self._files.mounted(self._service, mount.source, content)
            self._changed(key, f"the file's present content, read-only, as the ConfigMap {name}")
            volume = {"configMap": {"name": name}}
            self._add(f"file-{mount.target}", volume, mount.target, subPath=item, readOnly=True)
            return
        options = mount.bind
        self._changed(key, f"hostPath: {mount.source} must be there on every node")
        way = options.propagation if options else ""
        if options and options.selinux:
            self._dropped(f"{key}.bind.selinux", "no relabelling of host paths")
        if way and way not in PROPAGATION:
            self._dropped(f"{key}.bind.propagation", f"no propagation {way}")
        self._add(
            f"host-{mount.target}",
            {"hostPath": {"path": mount.source}},  # no type: nobody knows if it's a folder
            mount.target,
            readOnly=mount.read_only or None,
            mountPropagation=PROPAGATION.get(way, ""),
        )

    def _tmpfs(self, text: str) -> None:
        path, options = tmpfs_options(text)
        size = 0
        try:
            size = int(Bytes.read(options.pop("size", "0")))
        except InvalidArgument:
            self._dropped(f"tmpfs.{path}.size", "a share of the memory can't be named")
        for name in options:
            self._dropped(f"tmpfs.{path}.{name}", "no mount options for memory volumes")
        self._memory(f"tmpfs-{path}", path, size)

    def _memory(self, seed: str, path: str, size_bytes: int) -> None:
        limit = memory(size_bytes) if size_bytes > 0 else ""
        self._add(seed, {"emptyDir": filled({"medium": "Memory", "sizeLimit": limit})}, path)

    def _file(self, kind: str, one: FileReference) -> None:
        name, item = self._files.reference(kind, self._service, one)
        path = target(kind, one)
        if one.uid or one.gid:
            self._dropped(f"{kind}.{one.source}.uid", "files belong to root; fsGroup may help")
        mode = int(one.mode) if one.mode is not None else None
        items = [{"key": item, "path": item}]
        by_name = {"name": name} if kind == "configs" else {"secretName": name}
        place = "configMap" if kind == "configs" else "secret"
        volume = {place: filled({**by_name, "items": items, "defaultMode": mode})}
        self._add(f"{kind[:-1]}-{path}", volume, path, subPath=item, readOnly=True)


def pods_of(scope: Scope, key: str) -> int:
    """How many pods mount a named volume (two for one on every node)."""
    found = 0
    for service in scope.project.services.values():
        if any(each.type == "volume" and each.source == key for each in service.volumes):
            everywhere = bool(service.deploy and service.deploy.mode.startswith("global"))
            found += 2 if everywhere else service.replicas
    return found


def alone(scope: Scope, service: Service) -> bool:
    """Whether it has a claim that the pod of a new version couldn't have at the same time."""
    named = [each.source for each in service.volumes if each.type == "volume" and each.source]
    return any(pods_of(scope, key) <= 1 for key in named)


def claims(scope: Scope) -> list[Manifest]:
    found = []
    for key, volume in scope.project.volumes.items():
        name = scope.claims.of(key)
        if volume.external:
            scope.report.changed(
                "", f"volumes.{key}.external", f"the PersistentVolumeClaim {name} must exist"
            )
            continue
        found.append(_claim(scope, key, volume, name))
    return found


def _claim(scope: Scope, key: str, volume: Volume, name: str) -> Manifest:
    where = f"volumes.{key}"
    if volume.driver not in {"", "local"}:
        scope.report.dropped("", f"{where}.driver", "choose a storage class for the claim instead")
    if volume.driver_opts:
        scope.report.dropped("", f"{where}.driver_opts", "set them in a storage class")
    mode = ONCE if pods_of(scope, key) <= 1 else MANY
    if mode == MANY:
        scope.report.changed(
            "", where, "several pods mount it: the storage class must know ReadWriteMany"
        )
    scope.report.changed("", where, f"Compose has no sizes: the claim asks for {CLAIM_SIZE}")
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": scope.metadata(name) | filled({"annotations": dict(volume.labels)}),
        "spec": {"accessModes": [mode], "resources": {"requests": {"storage": CLAIM_SIZE}}},
    }
