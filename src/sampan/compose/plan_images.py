"""Which images a project's services need pulled or built, and why. Pure.

A service with both `image` and `build` whose image is missing is pulled first and built when that
fails, unless its policy says otherwise; `--build` builds whatever can be built.
"""

from collections.abc import Mapping

from sampan.compose.actions import Action, Kind, Subject
from sampan.compose.model import Project, Service
from sampan.compose.observe import ObservedImage
from sampan.compose.scalars import Duration
from sampan.compose.translate import image_name
from sampan.errors import InvalidArgument
from sampan.lib.gotime import NANOS, parse_ns
from sampan.lib.records import Record

ALWAYS, MISSING, NEVER, BUILD, REFRESH = "always", "missing", "never", "build", "refresh"
_PERIODS_S = {"daily": 86_400, "weekly": 7 * 86_400}
_EVERY = "every_"


class BadPullPolicy(InvalidArgument):
    def __init__(self, service: str, policy: str) -> None:
        super().__init__(f'service "{service}": unknown pull_policy "{policy}"')


class ImageChoice(Record, frozen=True, kw_only=True):
    """`pull` overrides the services' policies unless it is empty."""

    pull: str = ""
    build: bool = False
    no_build: bool = False
    now_s: float = 0.0


def plan_images(
    project: Project, images: Mapping[str, ObservedImage], choice: ImageChoice
) -> list[Action]:
    """Raises BadPullPolicy."""
    found: dict[str, Action] = {}
    for service in project.services.values():
        if service.replicas == 0:
            continue
        for action in _for_service(project, service, images, choice):
            found.setdefault(action.id, action)
    return list(found.values())


def _for_service(
    project: Project,
    service: Service,
    images: Mapping[str, ObservedImage],
    choice: ImageChoice,
) -> list[Action]:
    reference = image_name(project, service)
    known = images.get(reference)
    buildable = service.build is not None and not choice.no_build
    policy = choice.pull or service.pull_policy or MISSING
    if buildable and (choice.build or policy == BUILD):
        return [_action(Kind.BUILD, service, reference, "a build is asked for")]
    pull = _why_pull(service, policy, known, choice.now_s) if service.image else ""
    actions = []
    if pull:
        actions.append(_action(Kind.PULL, service, reference, pull, optional=buildable))
    if buildable and known is None and policy != ALWAYS:
        why = "it can't be pulled" if pull else "it isn't here"
        actions.append(_action(Kind.BUILD, service, reference, why, optional=bool(pull)))
    return actions


def _action(
    kind: Kind, service: Service, reference: str, reason: str, *, optional: bool = False
) -> Action:
    return Action(
        kind=kind,
        subject=Subject.IMAGE,
        name=reference,
        reason=reason,
        key=service.name,
        optional=optional,
    )


def _why_pull(service: Service, policy: str, known: ObservedImage | None, now_s: float) -> str:
    """Empty when no pull is needed."""
    if policy == ALWAYS:
        return "the policy is always"
    if policy in {NEVER, BUILD}:
        return ""
    if known is None:
        return "it isn't here"
    period_s = _period_s(service, policy)
    if period_s and now_s - _pulled_s(known) > period_s:
        return f"it was pulled more than {policy.removeprefix(_EVERY)} ago"
    return ""


def _period_s(service: Service, policy: str) -> float:
    if policy in {MISSING, "if_not_present"}:
        return 0
    if policy in _PERIODS_S:
        return _PERIODS_S[policy]
    if policy == REFRESH:
        return Duration.read(service.pull_refresh_after).seconds
    if policy.startswith(_EVERY):
        return Duration.read(policy.removeprefix(_EVERY)).seconds
    raise BadPullPolicy(service.name, policy)


def _pulled_s(image: ObservedImage) -> float:
    try:
        return parse_ns(image.pulled or image.created) / NANOS
    except ValueError:
        return 0.0
