"""Manifests as text: YAML documents with the report as comments above, or files by name."""

from typing import Any

from sampan.compose.convert.report import Report
from sampan.compose.encode import to_json, to_yaml


def comments(report: Report) -> str:
    return "".join(f"# {line}\n" for line in report.lines())


def documents(manifests: list[dict[str, Any]], report: Report) -> str:
    """All in one, to be applied as it is."""
    return comments(report) + "---\n".join(to_yaml(each) for each in manifests)


def files(manifests: list[dict[str, Any]]) -> dict[str, str]:
    """By name: `web-deployment.yaml`."""
    return {
        f"{each['metadata']['name']}-{each['kind'].lower()}.yaml": to_yaml(each)
        for each in manifests
    }


def task_definition(definition: dict[str, Any]) -> str:
    return to_json(definition) + "\n"
