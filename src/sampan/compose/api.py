"""The engine's API as far as Compose needs it: one method a request, plain JSON in and out.

Thread-safe, because the client holds no connection between calls. Answers are the engine's JSON
(Any stops at the callers, which read them into records of their own). A missing object is None
from `find_...` and an EngineError with status 404 everywhere else.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sampan.client.api import Client, Hijacked, filters_text
from sampan.client.errors import EngineError
from sampan.client.exchange import Response, quote
from sampan.lib.jsontext import decode

Json = dict[str, Any]
Query = list[tuple[str, str]]
NOT_FOUND = 404
NOT_MODIFIED = 304


class EngineApi:
    """Requests to one engine."""

    def __init__(self, client: Client) -> None:
        self.client = client

    # Containers

    def list_containers(self, labels: Sequence[str], *, all_states: bool = True) -> list[Json]:
        query: Query = [("all", "1")] if all_states else []
        query.append(("filters", filters_text({"label": list(labels)})))
        found: list[Json] = self.client.get("/containers/json", query)
        return found

    def inspect_container(self, container: str) -> Json:
        found: Json = self.client.get(_container(container, "/json"))
        return found

    def create_container(self, name: str, platform: str, body: Json) -> Json:
        """The id, and the engine's warnings."""
        query: Query = [("name", name)] if name else []
        if platform:
            query.append(("platform", platform))
        answer: Json = self.client.post("/containers/create", query, body)
        return answer

    def start_container(self, container: str) -> None:
        self.client.post(_container(container, "/start"))

    def stop_container(self, container: str, timeout_s: int | None = None) -> None:
        query = [] if timeout_s is None else [("t", str(timeout_s))]
        self.client.post(_container(container, "/stop"), query)

    def restart_container(self, container: str, timeout_s: int | None = None) -> None:
        query = [] if timeout_s is None else [("t", str(timeout_s))]
        self.client.post(_container(container, "/restart"), query)

    def kill_container(self, container: str, signal: str) -> None:
        self.client.post(_container(container, "/kill"), [("signal", signal)])

    def pause_container(self, container: str) -> None:
        self.client.post(_container(container, "/pause"))

    def unpause_container(self, container: str) -> None:
        self.client.post(_container(container, "/unpause"))

    def rename_container(self, container: str, name: str) -> None:
        self.client.post(_container(container, "/rename"), [("name", name)])

    def remove_container(
        self, container: str, *, volumes: bool = False, force: bool = False
    ) -> None:
        query = [(name, "1") for name, on in (("v", volumes), ("force", force)) if on]
        try:
            self.client.delete(_container(container), query)
        except EngineError as error:
            if error.status != NOT_FOUND:
                raise

    def wait_container(self, container: str) -> int:
        """Blocks until it isn't running; its exit status."""
        answer = self.client.post(_container(container, "/wait"))
        return int(answer["StatusCode"])

    def top(self, container: str) -> Json:
        found: Json = self.client.get(_container(container, "/top"))
        return found

    def logs(self, container: str, query: Query) -> Response:
        return self.client.call("GET", _container(container, "/logs"), query=query)

    def attach(self, container: str) -> Hijacked:
        query = [("stderr", "1"), ("stdout", "1"), ("stream", "1")]
        return self.client.hijack(_container(container, "/attach"), query)

    def put_archive(
        self, container: str, path: str, archive: bytes, *, copy_owner: bool = False
    ) -> None:
        query = [("noOverwriteDirNonDir", "true"), ("path", path)]
        if copy_owner:
            query.append(("copyUIDGID", "true"))
        self.client.call(
            "PUT",
            _container(container, "/archive"),
            query=query,
            headers={"Content-Type": "application/x-tar"},
            body=archive,
        ).read()

    def exec(self, container: str, body: Json) -> tuple[int, bytes]:
        """Runs a process to its end: its exit status and its raw (framed) output."""
        process = self.client.post(_container(container, "/exec"), body=body)["Id"]
        response = self.client.post_raw(
            f"/exec/{process}/start", body={"Detach": False, "Tty": False}
        )
        output = response.read()
        return int(self.client.get(f"/exec/{process}/json")["ExitCode"] or 0), output

    # Networks, volumes, images

    def find_network(self, name: str) -> Json | None:
        found: Json | None = self._find(f"/networks/{quote(name)}")
        return found

    def list_networks(self, labels: Sequence[str]) -> list[Json]:
        found: list[Json] = self.client.get(
            "/networks", [("filters", filters_text({"label": list(labels)}))]
        )
        return found

    def create_network(self, body: Json) -> str:
        return str(self.client.post("/networks/create", body=body)["Id"])

    def remove_network(self, network: str) -> None:
        self.client.delete(f"/networks/{quote(network)}")

    def disconnect(self, network: str, container: str) -> None:
        body = {"Container": container, "Force": True}
        self.client.post(f"/networks/{quote(network)}/disconnect", body=body)

    def find_volume(self, name: str) -> Json | None:
        found: Json | None = self._find(f"/volumes/{quote(name)}")
        return found

    def list_volumes(self, labels: Sequence[str]) -> list[Json]:
        query = [("filters", filters_text({"label": list(labels)}))]
        found: list[Json] = self.client.get("/volumes", query)["Volumes"] or []
        return found

    def create_volume(self, body: Json) -> None:
        self.client.post("/volumes/create", body=body)

    def remove_volume(self, name: str) -> None:
        self.client.delete(f"/volumes/{quote(name)}", [("force", "1")])

    def find_image(self, image: str) -> Json | None:
        found: Json | None = self._find(f"/images/{quote(image, '/:@')}/json")
        return found

    def remove_image(self, image: str) -> None:
        self.client.delete(f"/images/{quote(image, '/:@')}")

    # The engine

    def events(self, query: Query) -> Response:
        return self.client.call("GET", "/events", query=query)

    def objects(self, response: Response) -> Iterator[Any]:
        return self.client.objects(response)

    def _find(self, path: str) -> Any:
        try:
            return decode(self.client.call("GET", path).read())
        except EngineError as error:
            if error.status == NOT_FOUND:
                return None
            raise


def _container(container: str, rest: str = "") -> str:
    return f"/containers/{quote(container)}{rest}"
