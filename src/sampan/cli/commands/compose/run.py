"""`run`: a one-off container of a service, its dependencies started before."""

from __future__ import annotations

import os
import sys

from sampan.cli.attachment import Detached, Session
from sampan.cli.command import Exit
from sampan.cli.commands.compose.converging import convergence, wanted, warn_of
from sampan.cli.commands.compose.display import Quiet
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag
from sampan.cli.waiting import ExitWait
from sampan.compose.conditions import Waiting
from sampan.compose.injection import inject
from sampan.compose.observe import observe_images
from sampan.compose.oneoff import SLUG_BYTES, OneOff, changed_service, container_name, oneoff_body
from sampan.compose.references import hash_of, resolved
from sampan.compose.selection import NoSuchService
from sampan.compose.surroundings import Surroundings
from sampan.compose.translate import image_name
from sampan.lib.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags
    from sampan.compose.apply import Apply
    from sampan.compose.model import Service


def _environment(context: ComposeContext, flags: Flags) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    files = flags.items("env-from-file")
    if files:
        from sampan.compose.environment import read_env_files

        found.update(read_env_files(files, context.environment))
    for item in flags.items("env"):
        name, equals, value = item.partition("=")
        if equals:
            found[name] = value
        elif name in context.environment:
            found[name] = context.environment[name]
    return found


def _choices(context: ComposeContext, flags: Flags, words: list[str]) -> OneOff:
    detached = flags.on("detach")
    terminal = sys.stdout.isatty() and sys.stdin.isatty()
    return OneOff(
        command=words,
        entrypoint=flags.text("entrypoint") if flags.given("entrypoint") else None,
        environment=_environment(context, flags),
        labels=flags.mapping("label"),
        volumes=flags.items("volume"),
        ports=flags.items("publish"),
        service_ports=flags.on("service-ports"),
        user=flags.text("user"),
        workdir=flags.text("workdir"),
        cap_add=flags.items("cap-add"),
        cap_drop=flags.items("cap-drop"),
        tty=terminal and not flags.on("no-tty") and not detached,
        stdin=flags.on("interactive"),
        remove=flags.on("rm"),
        name=flags.text("name"),
        use_aliases=flags.on("use-aliases"),
    )


class OneOffRun:
    """One `run`, step by step."""

    def __init__(self, context: ComposeContext, flags: Flags, name: str, choices: OneOff) -> None:
        self._context = context
        self._flags = flags
        self._choices = choices
        self._project = context.project([name], needed=not flags.on("no-deps"))
        if name not in self._project.services:
            raise NoSuchService(name)
        service = self._project.services[name]
        base = str(self._project.working_dir)
        self._service = changed_service(service, choices, base)

    def _prepare(self) -> Apply:
        """Images, networks, volumes and dependencies; waits for their conditions."""
        name = self._service.name
        choices = wanted(self._context, self._flags, [])
        choices = replace(choices, plan=replace(choices.plan, untouched=frozenset({name})))
        project = replace(self._project, services={**self._project.services, name: self._service})
        shown = Quiet() if self._flags.on("quiet") else self._context.display("Creating")
        with shown as display:
            converging = convergence(
                self._context,
                project,
                display,
                choices,
                quiet_pull=self._flags.on("quiet-pull") or self._flags.on("quiet"),
                quiet_build=self._flags.on("quiet-build") or self._flags.on("quiet"),
            )
            observed, plan = converging.plan()
            warn_of(self._context, plan)
            apply = converging.applying(observed)
            apply.run(plan)
            if not self._flags.on("no-deps"):
                waiting = Waiting(self._context.api, display)
                waiting.dependencies(name, self._service.depends_on, apply.containers.members())
        return apply

    def create(self) -> str:
        """The new container's id."""
        apply = self._prepare()
        slug = os.urandom(SLUG_BYTES).hex()
        name = self._choices.name or container_name(self._project, self._service, slug)
        reference = image_name(self._project, self._service)
        image = observe_images(self._context.api, [reference]).get(reference)
        service = resolved(self._service, apply.containers.ids())
        around = Surroundings(
            slug=slug,
            name=name,
            config_hash=hash_of(service),
            image=image.id if image else "",
            links=apply.containers.names(),
            aliases=self._choices.use_aliases,
        )
        body = oneoff_body(self._project, service, self._choices, around)
        answer = self._context.api.create_container(name, service.platform, body)
        for warning in answer.get("Warnings") or ():
            self._context.warn(warning)
        container = str(answer["Id"])
        inject(self._context.api, self._project, service, container)
        return container

    def attached(self, container: str) -> int:
        """Starts it with our streams; its exit status."""
        from sampan.cli.signals import follow_window, forward_to

        client = self._context.cli.client
        tty = self._choices.tty
        if not tty:
            forward_to(client, container)
        query = [("stderr", "1"), ("stdout", "1"), ("stream", "1")]
        if self._choices.stdin:
            query.append(("stdin", "1"))
        hijacked = client.hijack(f"/containers/{container}/attach", query)
        session = Session(hijacked, tty=tty, stdin=self._choices.stdin)
        waiting = ExitWait(client, container, removed=self._choices.remove)
        try:
            client.post(f"/containers/{container}/start")
            if tty:
                follow_window(client, f"/containers/{container}/resize")
            session.run()
            return waiting.result()
        except Detached:
            return 0
        finally:
            waiting.close()
            session.close()

    @property
    def service(self) -> Service:
        return self._service


def run(context: ComposeContext, flags: Flags, words: list[str]) -> int:
    name, *command = words
    if flags.on("service-ports") and flags.items("publish"):
        raise Exit(1, "--service-ports and --publish are incompatible")
    if context.dry_run:
        context.say(f"create   container {name}: a one-off container is asked for")
        return 2
    choices = _choices(context, flags, command)
    one = OneOffRun(context, flags, name, choices)
    container = one.create()
    if flags.on("detach"):
        context.api.start_container(container)
        context.say(container)
        return 0
    return one.attached(container)


RUN = Verb(
    run,
    "[OPTIONS] SERVICE [COMMAND] [ARGS...]",
    "Run a one-off command on a service",
    flags=(
        Flag("build", "", "bool", "Build image before starting container"),
        Flag("cap-add", "", "list", "Add Linux capabilities"),
        Flag("cap-drop", "", "list", "Drop Linux capabilities"),
        Flag("detach", "d", "bool", "Run container in background and print container ID"),
        Flag("entrypoint", "", "string", "Override the entrypoint of the image"),
        Flag("env", "e", "stringArray", "Set environment variables"),
        Flag("env-from-file", "", "stringArray", "Set environment variables from file"),
        Flag("interactive", "i", "bool", "Keep STDIN open even if not attached", default=True),
        Flag("label", "l", "stringArray", "Add or override a label"),
        Flag("name", "", "string", "Assign a name to the container"),
        Flag("no-deps", "", "bool", "Don't start linked services"),
        Flag("no-tty", "T", "bool", "Disable pseudo-TTY allocation"),
        Flag("publish", "p", "stringArray", "Publish a container's port(s) to the host"),
        Flag("pull", "", "string", "Pull image before running", default="policy"),
        Flag("quiet", "q", "bool", "Don't print anything to STDOUT"),
        Flag("quiet-build", "", "bool", "Suppress progress output from the build process"),
        Flag("quiet-pull", "", "bool", "Pull without printing progress information"),
        Flag("remove-orphans", "", "bool", "Remove containers for services not in the file"),
        Flag("rm", "", "bool", "Automatically remove the container when it exits"),
        Flag("service-ports", "P", "bool", "Run command with all service's ports enabled"),
        Flag("tty", "t", "bool", "Allocate a pseudo-TTY", hidden=True, default=True),
        Flag("use-aliases", "", "bool", "Use the service's network useAliases"),
        Flag("user", "u", "string", "Run as specified username or uid"),
        Flag("volume", "v", "stringArray", "Bind mount a volume"),
        Flag("workdir", "w", "string", "Working directory inside the container"),
    ),
    least=1,
    interspersed=False,
)
