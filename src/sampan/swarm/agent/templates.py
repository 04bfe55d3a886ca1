"""Templates in services, configs and secrets: Go's, with what swarmkit lets them know (pure).

    hostname, environment, mounts   .Service.ID .Name .Labels; .Node.ID .Hostname .Platform;
                                    .Task.ID .Name .Slot
    secrets, configs with the       the same, and {{env "X"}} {{secret "target"}}
    driver `golang`                 {{config "target"}}

`.Task.Slot` of a global service's task is its node's id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sampan.errors import InvalidArgument
from sampan.lib.gotemplate.functions import FUNCTIONS, FunctionError
from sampan.lib.gotemplate.nodes import TemplateError
from sampan.lib.gotemplate.template import Template
from sampan.lib.gotemplate.values import GoStruct, show
from sampan.swarm.model import Node, Task

if TYPE_CHECKING:  # a name that the module has for type checkers only
    from sampan.lib.gotemplate.functions import Functions

GOLANG = "golang"
MARK = "{{"


class BadTemplate(InvalidArgument):
    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"expanding {where} failed: {why}")


class Expander:
    """For one task on its node."""

    def __init__(self, task: Task, node: Node) -> None:
        described = node.description
        self._facts = GoStruct(
            {
                "Service": GoStruct(
                    {
                        "ID": task.service_id,
                        "Name": task.service_name,
                        "Labels": dict(task.service_labels),
                    }
                ),
                "Node": GoStruct(
                    {
                        "ID": node.id,
                        "Hostname": described.hostname,
                        "Platform": GoStruct(
                            {"Architecture": described.architecture, "OS": described.os}
                        ),
                    }
                ),
                "Task": GoStruct(
                    {
                        "ID": task.id,
                        "Name": task.name,
                        "Slot": str(task.slot) if task.slot else node.id,
                    }
                ),
            }
        )

    def expand(self, text: str, where: str, functions: Functions = FUNCTIONS) -> str:
        """Raises BadTemplate."""
        if MARK not in text:
            return text
        try:
            return Template(text, name="expansion", functions=functions).render(self._facts)
        except TemplateError as error:
            raise BadTemplate(where, str(error)) from error

    def payload(
        self,
        text: str,
        where: str,
        *,
        env: Mapping[str, str],
        secret: Callable[[str], str | None],
        config: Callable[[str], str | None],
    ) -> str:
        """`secret` and `config` give the text behind a target name of the same task."""
        functions: Functions = {
            **FUNCTIONS,
            "env": (1, 1, lambda name: env.get(show(name), "")),
            "secret": (1, 1, lambda name: _found(secret(show(name)), "secret", name)),
            "config": (1, 1, lambda name: _found(config(show(name)), "config", name)),
        }
        return self.expand(text, where, functions)


def _found(text: str | None, kind: str, name: object) -> str:
    if text is None:
        raise FunctionError(f"{kind} target {show(name)} not found")
    return text
