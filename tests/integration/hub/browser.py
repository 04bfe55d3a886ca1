"""A headless Chromium, driven over its DevTools protocol: pages as a person sees them.

Pages run without JavaScript (`Emulation.setScriptExecutionDisabled`); forms are filled through the
protocol's own evaluation, which stays allowed, and sent by the browser.
"""

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import aiohttp

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0"),
)


def find_chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome")


class Browser:
    """One page at a time. Use as a context manager."""

    def __enter__(self) -> Self:
        self._home = Path(tempfile.mkdtemp(prefix="sampan-chromium-"))
        words = [find_chromium(), *FLAGS, f"--user-data-dir={self._home}", "about:blank"]
        self._process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._loop = asyncio.new_event_loop()
        self._number = 0
        self._events: list[dict] = []
        self._loop.run_until_complete(self._connect())
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setScriptExecutionDisabled", value=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._session.close())
        self._loop.close()
        self._process.terminate()
        self._process.wait(20)
        shutil.rmtree(self._home, ignore_errors=True)

    async def _connect(self) -> None:
        port_file = self._home / "DevToolsActivePort"
        deadline = time.monotonic() + 25
        while not (port_file.exists() and "\n" in port_file.read_text()):
            assert time.monotonic() < deadline, "Chromium doesn't answer"
            await asyncio.sleep(0.05)
        port = port_file.read_text().split()[0]
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            targets = await answer.json()
        page = next(target for target in targets if target["type"] == "page")
        url = page["webSocketDebuggerUrl"]
        self._socket = await self._session.ws_connect(url, max_msg_size=0)

    def send(self, method: str, **parameters: object) -> dict:
        return self._loop.run_until_complete(self._send(method, parameters))

    async def _send(self, method: str, parameters: dict) -> dict:
        self._number += 1
        number = self._number
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._next()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    async def _next(self) -> dict:
        message = json.loads((await self._socket.receive(timeout=20)).data)
        if "method" in message:
            self._events.append(message)
        return message

    def open(self, url: str) -> None:
        self._events.clear()
        self.send("Page.navigate", url=url)
        self._loaded()

    def _loaded(self) -> None:
        async def wait() -> None:
            while not any(each["method"] == "Page.loadEventFired" for each in self._events):
                await self._next()

        self._loop.run_until_complete(wait())

    def evaluate(self, expression: str) -> object:
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def submit(self, form: str, **fields: str) -> None:
        """Fill the fields of the form (a CSS selector) and press its first button."""
        for name, value in fields.items():
            found = f"document.querySelector({json.dumps(form)}).elements[{json.dumps(name)}]"
            self.evaluate(f"{found}.value = {json.dumps(value)}")
        self.press(form + " button")

    def press(self, selector: str) -> None:
        """Click on what leads to another page."""
        self._events.clear()
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")
        self._loaded()

    def text(self) -> str:
        return str(self.evaluate("document.body.innerText"))

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def complaints(self) -> list[str]:
        """What the browser logged for this page: blocked content, failed requests."""
        found = []
        for each in self._events:
            if each["method"] == "Log.entryAdded":
                found.append(each["params"]["entry"]["text"])
        return found
