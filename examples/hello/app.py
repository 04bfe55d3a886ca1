"""A page that counts its visits: the smallest web application worth a container."""

import os
import platform

from flask import Flask

app = Flask(__name__)
visits = 0


@app.get("/")
def index() -> str:
    global visits  # noqa: PLW0603 - one worker process, one counter: that is the point
    visits += 1
    greeting = os.environ.get("GREETING", "Hello from Sampan")
    return (
        f"<!doctype html><html lang=en><title>{greeting}</title>"
        "<meta name=viewport content='width=device-width'><style>:root { color-scheme: light dark }"
        "body { font: 1.1em system-ui; max-width: 32em; margin: 3em auto; padding: 0 1em }</style>"
        f"<h1>{greeting}</h1>"
        f"<p>Container {platform.node()}, Python {platform.python_version()}, visit {visits}.</p>\n"
    )
