"""Creating a container for `run` and `create`: pull policy, cidfile, warnings."""

from __future__ import annotations

import os

from sampan.cli.command import PROGRAM, Exit
from sampan.cli.references import BadReference, familiar, join, split
from sampan.client.errors import EngineError
from sampan.errors import InvalidArgument, SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

ALWAYS, MISSING, NEVER = "always", "missing", "never"
BAD_FLAGS_STATUS = 125


def bad_flags(context: Context, error: SampanError) -> Exit:
    """Flags that don't go together end `run` and `create` with 125."""
    return Exit(
        BAD_FLAGS_STATUS,
        f"{PROGRAM}: {error.message}\n\n"
        f"Run '{PROGRAM} {context.words} --help' for more information",
    )


def body_of(context: Context, flags: Flags, words: list[str]) -> dict[str, object]:
    """Raises Exit(125)."""
    from sampan.cli.runflags.body import create_body

    try:
        _check_policy(flags.text("pull"))
        proxies = context.config.proxy_variables(context.client.endpoint.address)
        return create_body(flags, words, proxies)
    except InvalidArgument as error:
        raise bad_flags(context, error) from error


def _check_policy(policy: str) -> None:
    if policy not in {ALWAYS, MISSING, NEVER, ""}:
        raise InvalidArgument(
            f"invalid pull option: '{policy}': must be one of "
            f'"{ALWAYS}", "{MISSING}" or "{NEVER}"'
        )


class CidFile:
    """The file that gets the container's id; gone again when there is no container."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = None
        if not path:
            return
        try:
            self._file = open(path, "x", encoding="ascii")  # noqa: SIM115, PTH123
        except FileExistsError as error:
            raise SampanError(
                "container ID file found, make sure the other container isn't running "
                f"or delete {path}"
            ) from error
        except OSError as error:
            raise SampanError(f"failed to create the container ID file: {error}") from error

    def write(self, container: str) -> None:
        if self._file is not None:
            self._file.write(container)
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """Removes the file when nothing was written."""
        if self._file is not None:
            self._file.close()
            os.unlink(self._path)  # noqa: PTH108


def _pull(context: Context, image: str, platform: str, *, quiet: bool) -> None:
    from sampan.cli.pulling import pull_image

    name, label = split(image)
    pull_image(context, name, label or "latest", platform=platform, quiet=quiet, to_stderr=True)


def _checked_reference(image: str) -> tuple[str, str] | None:
    """Canonical name and tag; None for an image id. Raises SampanError."""
    if image.startswith("sha256:"):
        return None
    try:
        return split(image)
    except BadReference as error:
        if "64-byte" in str(error):
            return None
        raise SampanError(str(error)) from error


def create(context: Context, flags: Flags, body: dict[str, object], image: str) -> str:
    """The new container's id."""
    reference = _checked_reference(image)
    cidfile = CidFile(flags.text("cidfile"))
    try:
        container = _create(context, flags, body, image, reference)
        cidfile.write(container)
    finally:
        cidfile.discard()
    return container


def _create(
    context: Context,
    flags: Flags,
    body: dict[str, object],
    image: str,
    reference: tuple[str, str] | None,
) -> str:
    platform, policy = flags.text("platform"), flags.text("pull")
    quiet = flags.on("quiet")
    query = [(key, flags.text(key)) for key in ("name", "platform") if flags.text(key)]
    if policy == ALWAYS and reference is not None:
        _pull(context, image, platform, quiet=quiet)
    try:
        answer = context.client.post("/containers/create", query, body)
    except EngineError as error:
        if error.status != 404 or policy not in {MISSING, ""} or reference is None:
            raise
        name, label = reference
        if not quiet:
            wanted = join(familiar(name), label or "latest")
            context.err(f"Unable to find image '{wanted}' locally\n")
        _pull(context, image, platform, quiet=quiet)
        answer = context.client.post("/containers/create", query, body)
    for warning in answer.get("Warnings") or ():
        context.err(f"WARNING: {warning}\n")
    return str(answer["Id"])
