"""Automated builds by the HTTP API: the source with its rules, builds, logs."""

from typing import Any

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import InvalidArgument
from sampan.hub.api.calls import Call, answer, nothing
from sampan.hub.api.routes import Endpoint
from sampan.hub.api.shapes import time_text
from sampan.hub.api.webhook_endpoints import demanded
from sampan.hub.automation.builds import queue, sources
from sampan.hub.automation.builds.queue import Build, State
from sampan.hub.automation.builds.remotes import parse_remote
from sampan.hub.automation.builds.rules import BRANCH, Rule
from sampan.hub.automation.builds.starting import start_builds
from sampan.hub.automation.service import Automation

_REPOSITORY = "/v2/repositories/{namespace}/{repository}"
_SOURCE = _REPOSITORY + "/autobuild"
_BUILDS = _REPOSITORY + "/builds"
_DIGITS = 17


class _Rule(msgspec.Struct, frozen=True):
    source: str
    docker_tag: str
    source_type: str = BRANCH
    dockerfile: str = "Dockerfile"
    build_context: str = "/"
    autobuild: bool = True
    build_caching: bool = True


class _Source(msgspec.Struct, frozen=True):
    """What is left out stays as it is."""

    source_url: str = ""
    build_settings: list[_Rule] | None = None
    envvars: dict[str, str] | None = None
    poll_interval: int | None = None


class _Start(msgspec.Struct, frozen=True):
    source_name: str
    source_type: str = BRANCH


def build_shape(found: Build) -> dict[str, Any]:
    return {
        "id": found.id,
        "state": found.state,
        "reason": found.reason,
        "source_type": found.source_type,
        "source_name": found.source_ref,
        "commit": found.commit,
        "docker_tag": found.tag,
        "dockerfile": found.dockerfile,
        "build_context": found.build_context,
        "cause": found.trigger,
        "requested_by": found.requested_by,
        "attempts": found.attempts,
        "digest": found.digest,
        "created": time_text(found.created_ns),
        "started": time_text(found.started_ns),
        "finished": time_text(found.finished_ns),
    }


class BuildEndpoints:
    def __init__(self, automation: Automation) -> None:
        self._automation = automation

    def endpoints(self) -> tuple[Endpoint, ...]:
        one = _BUILDS + "/{id}"
        return (
            Endpoint("GET", _SOURCE, self.get_source, "The source that the image is built from"),
            Endpoint("PUT", _SOURCE, self.set_source, "Link a source, or change it"),
            Endpoint("DELETE", _SOURCE, self.unlink, "Unlink the source", 204),
            Endpoint("GET", _BUILDS, self.list_all, "List builds"),
            Endpoint("POST", _BUILDS, self.start, "Start builds of a branch or tag", 202),
            Endpoint("GET", one, self.get, "One build"),
            Endpoint("GET", one + "/log", self.get_log, "A build's log, as text"),
            Endpoint("POST", one + "/cancel", self.cancel, "Cancel a build", 202),
        )

    def _source(self, call: Call, connection: Connection, repository_id: int) -> dict[str, Any]:
        found, sealer = sources.get(connection, repository_id), self._automation.sealer
        rules = sources.list_rules(connection, repository_id)
        base = call.services.base_url(call.request)
        return {
            "source_url": found.url,
            "build_settings": [
                {name: getattr(rule, name) for name in Rule.__slots__} for rule in rules
            ],
            "envvars": sources.arguments_of(found, sealer),
            "poll_interval": found.poll_s,
            "deploy_key": found.deploy_key_public,
            "trigger_url": f"{base}/hooks/{found.trigger_id}",
            "trigger_secret": sealer.open(found.trigger_secret),
        }

    async def get_source(self, call: Call) -> web.Response:
        def work(connection: Connection) -> dict[str, Any]:
            return self._source(call, connection, demanded(connection, call).repository.id)

        return answer(await call.read(work))

    async def set_source(self, call: Call) -> web.Response:
        given, sealer = await call.body(_Source), self._automation.sealer

        def work(connection: Connection) -> dict[str, Any]:
            repository_id, who = demanded(connection, call).repository.id, call.account().name
            if given.source_url:
                remote = parse_remote(given.source_url, self._automation.settings.git_folders)
                sources.link(connection, repository_id, remote, who=who, sealer=sealer)
            sources.get(connection, repository_id)
            if given.build_settings is not None:
                rules = [Rule(**msgspec.structs.asdict(each)) for each in given.build_settings]
                sources.set_rules(connection, repository_id, rules)
            if given.envvars is not None:
                lines = "\n".join(f"{name}={value}" for name, value in given.envvars.items())
                arguments = sources.parse_arguments(lines)
                sources.set_arguments(connection, repository_id, arguments, sealer)
            if given.poll_interval is not None:
                sources.set_poll(connection, repository_id, given.poll_interval)
            return self._source(call, connection, repository_id)

        return answer(await call.write(work))

    async def unlink(self, call: Call) -> web.Response:
        def work(connection: Connection) -> None:
            sources.unlink(connection, demanded(connection, call).repository.id)

        await call.write(work)
        return nothing()

    async def list_all(self, call: Call) -> web.Response:
        part = call.part()

        def work(connection: Connection) -> tuple[list[Build], int]:
            repository_id = demanded(connection, call).repository.id
            return queue.list_builds(connection, repository_id, limit=part.size, offset=part.offset)

        found, count = await call.read(work)
        return call.page(part, count, [build_shape(each) for each in found])

    async def start(self, call: Call) -> web.Response:
        given = await call.body(_Start)

        def work(connection: Connection) -> list[dict[str, Any]]:
            repository_id, who = demanded(connection, call).repository.id, call.account().name
            made = start_builds(
                connection, repository_id, given.source_type, given.source_name, who=who
            )
            return [build_shape(queue.get(connection, each)) for each in made]

        made = await call.write(work)
        self._automation.wake()
        return answer({"builds": made}, 202)

    async def get(self, call: Call) -> web.Response:
        return answer(build_shape(await call.read(lambda connection: _build(connection, call))))

    async def get_log(self, call: Call) -> web.Response:
        build = await call.read(lambda connection: _build(connection, call))
        automation = self._automation
        text = await automation.workers.run(automation.logs.read, build.id)
        return web.Response(body=text, content_type="text/plain", charset="utf-8")

    async def cancel(self, call: Call) -> web.Response:
        def work(connection: Connection) -> Build:
            found = _build(connection, call)
            queue.request_cancel(connection, found)
            return found

        found = await call.write(work)
        if found.state == State.RUNNING:
            self._automation.cancel_running(found.id)
        return answer({"id": found.id}, 202)


def _build(connection: Connection, call: Call) -> Build:
    """Raises BuildNotFound, InvalidArgument."""
    repository_id, text = demanded(connection, call).repository.id, call.text("id")
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise InvalidArgument("a build's id is a number")
    return queue.get(connection, int(text), repository_id)
