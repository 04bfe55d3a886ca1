"""`pull` and `push`: services' images from and to their registries."""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.cli.commands.compose.imaging import CliImages, PullFailed
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.credentials import auth_header
from sampan.cli.flags import Flag
from sampan.cli.references import BadReference, split
from sampan.client.exchange import quote
from sampan.compose.parallel import gather
from sampan.compose.progress import Reporter
from sampan.compose.translate import image_name
from sampan.errors import InvalidArgument, SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.commands.compose.display import Display
    from sampan.cli.flags import Flags
    from sampan.compose.model import Service

POLICIES = frozenset({"", "missing", "always"})


def pull(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    policy = flags.text("policy")
    if policy not in POLICIES:
        raise Exit(1, f'invalid --policy "{policy}": must be "missing" or "always"')
    project = context.project(names, needed=flags.on("include-deps"))
    with context.display("Pulling") as display:
        images = CliImages(context, project, display, quiet=flags.on("quiet"))
        wanted: dict[str, Service] = {}
        for service in project.services.values():
            reporter = Reporter(display, service.name)
            if why := _skipped(context, flags, service):
                reporter.done(f"Skipped {why}".strip())
            elif service.image in wanted:
                other = wanted[service.image].name
                reporter.done(f"Skipped - Image is already being pulled by {other}")
            else:
                wanted[service.image] = service
        if context.dry_run:
            return 2 if wanted else 0
        calls = [_pulling(images, service, flags) for service in wanted.values()]
        if calls:
            gather(calls, context.parallel)
    return 0


def _skipped(context: ComposeContext, flags: Flags, service: Service) -> str:
    """Why it isn't pulled; empty when it is."""
    if not service.image:
        return "- No image to be pulled"
    if service.pull_policy in {"never", "build"}:
        return f"- Pull policy is {service.pull_policy}"
    if service.build is not None and flags.on("ignore-buildable"):
        return "- Image can be built"
    missing = flags.text("policy") == "missing" or service.pull_policy in {
        "missing",
        "if_not_present",
    }
    if missing and flags.text("policy") != "always" and context.api.find_image(service.image):
        return "- Image is already present locally"
    return ""


def _pulling(images: CliImages, service: Service, flags: Flags) -> Callable[[], None]:
    def run() -> None:
        try:
            images.pull(service, service.image)
        except SampanError:
            if not flags.on("ignore-pull-failures") and service.build is None:
                raise

    return run


def push(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    project = context.project(names, needed=flags.on("include-deps"))
    with context.display("Pushing") as display:
        calls = []
        for service in project.services.values():
            if service.build is None or not service.image:
                Reporter(display, service.name).done("Skipped")
            elif not context.dry_run:
                image = image_name(project, service)
                calls.append(_pushing(context, display, service, image, flags))
        gather(calls, context.parallel)
    return 0


def _pushing(
    context: ComposeContext, display: Display, service: Service, image: str, flags: Flags
) -> Callable[[], None]:
    def run() -> None:
        reporter = Reporter(display, service.name)
        reporter.working("Pushing")
        try:
            _push(context, image)
        except SampanError as error:
            reporter.failed(detail=error.message)
            if not flags.on("ignore-push-failures"):
                raise
            return
        reporter.done("Pushed")

    return run


def _push(context: ComposeContext, image: str) -> None:
    try:
        name, label = split(image)
    except BadReference as error:
        raise InvalidArgument(str(error)) from error
    response = context.cli.client.call(
        "POST",
        f"/images/{quote(name, '/:')}/push",
        query=[("tag", label or "latest")],
        headers={"X-Registry-Auth": auth_header(context.cli, name)},
    )
    for message in context.cli.client.objects(response):
        if "error" in message or "errorDetail" in message:
            detail = message.get("errorDetail") or {}
            raise PullFailed(str(detail.get("message") or message.get("error")))


PULL = Verb(
    pull,
    "[OPTIONS] [SERVICE...]",
    "Pull service images",
    flags=(
        Flag("ignore-buildable", "", "bool", "Ignore images that can be built"),
        Flag("ignore-pull-failures", "", "bool", "Ignore images with pull failures"),
        Flag("include-deps", "", "bool", "Also pull services declared as dependencies"),
        Flag("no-parallel", "", "bool", "No effect", hidden=True),
        Flag("parallel", "", "bool", "No effect", hidden=True, default=True),
        Flag("policy", "", "string", 'Apply pull policy ("missing"|"always")'),
        Flag("quiet", "q", "bool", "Pull without printing progress information"),
    ),
)
PUSH = Verb(
    push,
    "[OPTIONS] [SERVICE...]",
    "Push service images",
    flags=(
        Flag("ignore-push-failures", "", "bool", "Ignore images with push failures"),
        Flag("include-deps", "", "bool", "Also push images of services declared as dependencies"),
        Flag("quiet", "q", "bool", "Push without printing progress information"),
    ),
)
