"""A visitor of a site: keeps its cookies, fills in its forms."""

import json
import re
import time
from collections.abc import Callable
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

STARTS_WITHIN_S = 60


class Browser:
    def __init__(self, port: int, language: str = "en", *, host: str = "127.0.0.1") -> None:
        self._base = f"http://{host}:{port}"
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))
        self._opener.addheaders = [("Accept-Language", language)]

    def get(self, path: str) -> str:
        return self._open(path, None)

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def submit(self, path: str, *, page: str = "", **fields: str) -> str:
        """Post a form, with the secret that the page with the form has hidden in it, if any."""
        secret = re.search(
            'name="(csrf_token|form_token)"[^>]*value="([^"]+)"', self.get(page or path)
        )
        if secret:
            fields[secret[1]] = secret[2]
        return self._open(path, urlencode(fields).encode())

    def _open(self, path: str, body: bytes | None) -> str:
        with self._opener.open(self._base + path, body, timeout=20) as answer:
            return str(answer.read().decode())


def await_site(
    port: int, words: Callable[[], str], *, host: str = "127.0.0.1", path: str = "/"
) -> None:
    """Until the site answers; `words` are what its containers said, for when it doesn't."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        try:
            Browser(port, host=host).get(path)
            return
        except OSError:  # refused, reset, no HTTP yet
            time.sleep(0.2)
    raise AssertionError(f"the site doesn't answer\n{words()}")
