"""The whole hub in this process, with accounts; tools and browsers as plain HTTP clients of it."""

import asyncio
import base64
import http.client
import json
import re
import threading
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import web

from sampan.hub.config import Config
from sampan.hub.wiring import Hub
from unit.hub.running import CONFIG, LAYER, MANIFEST, Answer, descriptor, digest_of

PASSWORD = "ahoy-ahoy-7"


def basic(name: str, secret: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


class WholeHub:
    """Served on a thread of its own. `database`, `services` are the hub's."""

    def __init__(self, root: Path, **settings) -> None:
        self._config = Config(root=root, gc_interval_s=0, **settings)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with Hub(self._config) as hub:
            self.faces = hub.faces
            runner = web.AppRunner(hub.application, access_log=None, auto_decompress=False)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()

    @property
    def services(self):
        return self.faces.services

    @property
    def database(self):
        return self.services.database

    def call(self, method: str, path: str, body: bytes | None = None, **headers) -> Answer:
        """Header names are written with underscores."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=named)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def user(self, name: str, *, admin: bool = False) -> None:
        from sampan.hub.accounts import users

        hashed = self.services.passwords.hash(PASSWORD)
        self.database.write_now(
            lambda connection: users.create(connection, name, password_hash=hashed, is_admin=admin)
        )

    def token(self, scope: str = "", *, who: str = "", secret: str = PASSWORD) -> str:
        """A registry token's Authorization header."""
        headers = {"Authorization": basic(who, secret)} if who else {}
        query = urlencode([("service", "sampan-hub"), *(("scope", s) for s in scope.split())])
        answer = self.call("GET", f"/token?{query}", **headers)
        assert answer.status == 200, answer.body
        return "Bearer " + answer.json["token"]

    def push(self, name: str, tag: str, *, who: str, layer: bytes = b"layer") -> tuple[str, str]:
        """The digests of the manifest and the layer."""
        header = self.token(f"repository:{name}:pull,push", who=who)
        config = json.dumps({"os": "linux", "architecture": "arm64"}).encode()
        for blob in (config, layer):
            path = f"/v2/{name}/blobs/uploads/?digest={digest_of(blob)}"
            answer = self.call("POST", path, blob, Authorization=header)
            assert answer.status == 201, answer.body
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": descriptor(config, CONFIG),
                "layers": [descriptor(layer, LAYER)],
            }
        ).encode()
        answer = self.call(
            "PUT",
            f"/v2/{name}/manifests/{tag}",
            manifest,
            Authorization=header,
            Content_Type=MANIFEST,
        )
        assert answer.status == 201, answer.body
        return digest_of(manifest), digest_of(layer)


class Tool:
    """A program that uses the HTTP API; `header` is its Authorization."""

    def __init__(self, hub: WholeHub, name: str = "", secret: str = PASSWORD) -> None:
        self.hub, self.header = hub, ""
        if name:
            answer = self.call("POST", "/v2/users/login", username=name, password=secret)
            assert answer.status == 200, answer.body
            self.header = "JWT " + answer.json["token"]

    def call(self, method: str, path: str, /, **body) -> Answer:
        headers = {"Authorization": self.header} if self.header else {}
        content = json.dumps(body).encode() if body else None
        return self.hub.call(method, path, content, **headers)


class Visitor:
    """A browser without scripts: cookies, forms with their hidden fields, redirects."""

    def __init__(self, hub: WholeHub, name: str = "") -> None:
        self.hub, self.cookies, self.page, self.path = hub, {}, "", "/"
        if name:
            self.open("/login")
            self.send("/login", name=name, password=PASSWORD)
            assert "sampan_session" in self.cookies

    def _call(self, method: str, path: str, body: bytes | None = None, **headers) -> Answer:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.hub.call(method, path, body, Cookie=cookie, **headers)
        for line in answer.headers.get_all("Set-Cookie") or []:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        self.page, self.path = answer.body.decode(errors="replace"), path
        return answer

    def open(self, path: str) -> Answer:
        return self._call("GET", path)

    @property
    def form_token(self) -> str:
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', self.page)
        assert found, self.page
        return found[1]

    def send(self, path: str, /, *, follow: bool = True, **fields) -> Answer:
        """Post a form of the page that is open, and follow the redirect."""
        body = urlencode({"form_token": self.form_token, **fields}, doseq=True).encode()
        kind = "application/x-www-form-urlencoded"
        answer = self._call("POST", path, body, Content_Type=kind)
        if follow and answer.status == 303:
            return self.open(answer.headers["Location"])
        return answer
