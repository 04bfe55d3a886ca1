"""Which kind of result an input is: graphs are built by us, so another kind is a mistake."""

from sampan.builder.graph import Result
from sampan.builder.results import Files, State
from sampan.builder.trees import Tree


def state_of(result: Result) -> State:
    assert isinstance(result, State)
    return result


def tree_of(result: Result) -> Tree:
    assert isinstance(result, Files)
    return result.tree
