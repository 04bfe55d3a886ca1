"""The frontend request frontend.lint: what is wrong or doubtful in a Dockerfile, nothing built.

The answer is metadata: `result.json` is a LintResults as BuildKit's subrequests/lint has it,
`result.txt` the same for people, `result.statuscode` the client's exit status. Pure.
"""

import base64
import re
from collections.abc import Callable, Mapping

import msgspec

from sampan.builder.dockerfile.lint import lint
from sampan.builder.dockerfile.source import SourceRange
from sampan.builder.dockerfile.stages import parse_dockerfile
from sampan.engine.buildkit.failures import build_text
from sampan.errors import SampanError

VERSION = b"1.0.0"  # of the subrequest


class _Place(msgspec.Struct, frozen=True):
    line: int
    character: int = 0


class _Span(msgspec.Struct, frozen=True):
    start: _Place
    end: _Place


class _Location(msgspec.Struct, frozen=True, kw_only=True):
    sourceIndex: int = 0
    ranges: list[_Span] = []


class _Warning(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    ruleName: str = ""
    description: str = ""
    url: str = ""
    detail: str = ""
    location: _Location | None = None


class _Source(msgspec.Struct, frozen=True, kw_only=True):
    filename: str
    data: str
    language: str = "Dockerfile"


class _Error(msgspec.Struct, frozen=True, kw_only=True):
    message: str
    location: _Location


class _Results(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    warnings: list[_Warning]
    sources: list[_Source]
    buildError: _Error | None = None


def lint_metadata(
    name: str,
    text: str,
    given: Mapping[str, str | None],
    *,
    excluded: Callable[[str], bool] | None,
) -> Mapping[str, bytes]:
    """`given` are the build arguments; `excluded` says what the ignore file leaves out."""
    body = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
    results = _results(text, given, excluded, [_Source(filename=name, data=body)])
    failed = bool(results.warnings or results.buildError)
    return {
        "result.json": msgspec.json.encode(results),
        "result.txt": _text(name, results).encode(),
        "result.statuscode": b"1" if failed else b"0",
        "version": VERSION,
    }


def rule_url(rule: str) -> str:
    """Where BuildKit's documentation explains a rule."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", rule)
    return f"https://docs.docker.com/go/dockerfile/rule/{words.lower()}/"


def _results(
    text: str,
    given: Mapping[str, str | None],
    excluded: Callable[[str], bool] | None,
    sources: list[_Source],
) -> _Results:
    try:
        linted = lint(parse_dockerfile(text), given, excluded=excluded)
    except SampanError as error:
        where = getattr(error, "where", None)
        failed = _Error(message=build_text(error), location=_location(where))
        return _Results(warnings=[], sources=sources, buildError=failed)
    warnings = [
        _Warning(
            ruleName=one.rule.name,
            description=one.rule.description,
            url=rule_url(one.rule.name),
            detail=one.message,
            location=_location(one.where),
        )
        for one in linted.warnings
    ]
    return _Results(warnings=warnings, sources=sources)


def _location(where: SourceRange | None) -> _Location:
    if where is None:
        return _Location()
    return _Location(ranges=[_Span(_Place(where.first_line), _Place(where.last_line))])


def _text(name: str, results: _Results) -> str:
    lines: list[str] = []
    for warning in results.warnings:
        url = f" - {warning.url}" if warning.url else ""
        lines += [f"WARNING: {warning.ruleName or 'Warning'}{url}", warning.detail or ""]
        if warning.location is not None and warning.location.ranges:
            lines.append(f"{name}:{warning.location.ranges[0].start.line}")
        lines.append("")
    if results.buildError is not None:
        lines.append(f"ERROR: {results.buildError.message}")
    return "\n".join(lines).rstrip("\n") + "\n" if lines else ""
