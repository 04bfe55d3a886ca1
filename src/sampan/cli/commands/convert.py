"""`convert --to kubernetes|ecs`: a Compose project as manifests for others to run.

Manifests go to standard output or, one file each, into a directory; the report of what they can't
say goes to standard error (and, in YAML, into comments above). Exit status 3 with `--strict` when
something was dropped.
"""

from __future__ import annotations

import sys

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags
    from sampan.compose.convert.report import Report, Source

TARGETS = ("kubernetes", "ecs")
TYPES = ("LoadBalancer", "NodePort")
FORMS = ("text", "json")
SECRET = "-secret.yaml"  # for the owner's eyes only  # noqa: S105 - the end of a file's name
DROPPED = 3  # the exit status of --strict


def _one_of(*known: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return text

    return check


def run(context: Context, flags: Flags, names: list[str]) -> int:
    if not flags.text("to"):
        raise Exit(1, f"--to is needed: one of {', '.join(TARGETS)}")
    source = _source(context, flags, names)
    if flags.text("to") == "ecs":
        texts, report = _ecs(source)
    else:
        texts, report = _kubernetes(source, flags)
    _write(context, flags.text("output"), texts)
    _tell(context, flags.text("report"), report)
    return DROPPED if flags.on("strict") and report.lossy else 0


def _is_compose_file(word: str) -> bool:
    """`convert --to ecs compose.yaml` says `-f compose.yaml`: nobody calls a service so."""
    from pathlib import Path

    return word.endswith((".yaml", ".yml")) and Path(word).is_file()


def _source(context: Context, flags: Flags, names: list[str]) -> Source:
    from sampan.compose.convert.loading import load
    from sampan.compose.load import LoadOptions

    files = [*flags.items("file"), *filter(_is_compose_file, names)]
    source = load(
        LoadOptions(
            files=files,
            project_directory=flags.text("project-directory"),
            project_name=flags.text("project-name"),
            env_files=flags.items("env-file"),
            profiles=flags.items("profile"),
            services=[name for name in names if not _is_compose_file(name)],
            environment=context.environment,
            stdin=sys.stdin.read() if "-" in files else None,
        )
    )
    for warning in source.project.warnings:
        context.err(f"warning: {warning}\n")
    return source


def _kubernetes(source: Source, flags: Flags) -> tuple[dict[str, str], Report]:
    """Texts by file name; the one without a name is for standard output."""
    from sampan.compose.convert.kubernetes import kubernetes
    from sampan.compose.convert.output import documents, files

    manifests, report = kubernetes(source, service_type=flags.text("service-type"))
    return {"": documents(manifests, report), **files(manifests)}, report


def _ecs(source: Source) -> tuple[dict[str, str], Report]:
    from sampan.compose.convert.ecs import ecs
    from sampan.compose.convert.output import task_definition

    definition, report = ecs(source)
    text = task_definition(definition)
    return {"": text, f"{definition['family']}-taskdefinition.json": text}, report


def _write(context: Context, place: str, texts: dict[str, str]) -> None:
    if place == "-":
        context.out(texts[""])
        return
    from pathlib import Path

    folder = Path(place)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            if name:
                private = name.endswith(SECRET)
                (folder / name).touch(mode=0o600 if private else 0o666)
                (folder / name).write_text(text, encoding="utf-8")
                context.say(str(folder / name))
    except OSError as error:
        raise Exit(1, f"can't write to {place}: {error.strerror}") from error


def _tell(context: Context, form: str, report: Report) -> None:
    if form == "json":
        from sampan.compose.encode import to_json

        context.err(to_json(report.plain()) + "\n")
        return
    context.err("".join(f"{line}\n" for line in report.lines()))


CONVERT = Command(
    run,
    "--to kubernetes|ecs [OPTIONS] [FILE...] [SERVICE...]",
    most=None,
    description="Convert a Compose project to manifests for Kubernetes or Amazon ECS",
    flags=(
        Flag("env-file", "", "list", "Specify an alternate environment file"),
        Flag("file", "f", "list", "Compose configuration files"),
        Flag("output", "o", "string", "Directory to write to, - for standard output", default="-"),
        Flag("profile", "", "list", "Specify a profile to enable"),
        Flag("project-directory", "", "string", "Specify an alternate working directory"),
        Flag("project-name", "p", "string", "Project name"),
        Flag(
            "report",
            "",
            "string",
            'How to report what can\'t be said, on standard error ("text", "json")',
            default="text",
            check=_one_of(*FORMS),
        ),
        Flag(
            "service-type",
            "",
            "string",
            'Kubernetes: what publishes ports ("LoadBalancer", "NodePort")',
            default="LoadBalancer",
            check=_one_of(*TYPES),
        ),
        Flag("strict", "", "bool", "Exit with status 3 if anything was dropped"),
        Flag(
            "to",
            "",
            "string",
            'What to convert to ("kubernetes", "ecs")',
            check=_one_of(*TARGETS),
        ),
    ),
)
