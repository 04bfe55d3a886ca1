"""The labels that Docker Compose writes and looks for, so that either tool can take over.

Containers carry project, service, number, hash of the configuration, image, dependencies and where
the project came from; networks and volumes project, key and hash. `REPLACE` marks a container that
was made to take another one's place, and `SLUG` a one-off one.
"""

from collections.abc import Mapping

from sampan.compose.model import Project, Service

PREFIX = "com.docker.compose."
PROJECT = f"{PREFIX}project"
SERVICE = f"{PREFIX}service"
ONEOFF = f"{PREFIX}oneoff"
NUMBER = f"{PREFIX}container-number"
CONFIG_HASH = f"{PREFIX}config-hash"
DEPENDENCIES = f"{PREFIX}depends_on"
IMAGE = f"{PREFIX}image"
CONFIG_FILES = f"{PREFIX}project.config_files"
WORKING_DIR = f"{PREFIX}project.working_dir"
ENVIRONMENT_FILE = f"{PREFIX}project.environment_file"
VERSION = f"{PREFIX}version"
REPLACE = f"{PREFIX}replace"
SLUG = f"{PREFIX}slug"
NETWORK = f"{PREFIX}network"
VOLUME = f"{PREFIX}volume"

# The Docker Compose whose behaviour this is: other tools, and tests, read it.
COMPOSE_VERSION = "2.40.3"


def dependencies_text(service: Service) -> str:
    """ "db:service_healthy:true,cache:service_started:false"."""
    return ",".join(
        f"{name}:{dependency.condition}:{str(dependency.restart).lower()}"
        for name, dependency in service.depends_on.items()
    )


def parse_dependencies(text: str) -> dict[str, tuple[str, bool]]:
    """Condition and restart by service, read back from the label."""
    found = {}
    for entry in filter(None, text.split(",")):
        name, _, rest = entry.partition(":")
        condition, _, restart = rest.partition(":")
        found[name] = (condition, restart == "true")
    return found


def container_labels(
    project: Project, service: Service, *, number: int, slug: str, config_hash: str, image: str
) -> dict[str, str]:
    """All labels of a container: the service's own and Compose's. One-off ones have a slug."""
    labels = {
        **service.labels,
        PROJECT: project.name,
        SERVICE: service.name,
        VERSION: COMPOSE_VERSION,
        WORKING_DIR: str(project.working_dir),
        CONFIG_FILES: ",".join(map(str, project.files)),
        ONEOFF: "True" if slug else "False",
        CONFIG_HASH: config_hash,
        DEPENDENCIES: dependencies_text(service),
    }
    if project.env_files:
        labels[ENVIRONMENT_FILE] = ",".join(map(str, project.env_files))
    if image:
        labels[IMAGE] = image
    if slug:
        labels[SLUG] = slug
    else:
        labels[NUMBER] = str(number)
    return labels


def resource_labels(
    project: str, kind: str, key: str, config_hash: str, own: Mapping[str, str]
) -> dict[str, str]:
    """Of a network (`kind` NETWORK) or a volume (VOLUME)."""
    return {
        **own,
        kind: key,
        PROJECT: project,
        VERSION: COMPOSE_VERSION,
        CONFIG_HASH: config_hash,
    }
