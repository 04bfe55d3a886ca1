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
        f"<!doctype html><title>{greeting}</title><h1>{greeting}</h1>"
        f"<p>Container {platform.node()}, Python {platform.python_version()}, visit {visits}.</p>\n"
    )
