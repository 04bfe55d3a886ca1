"""Several layers at once, with one failure to tell.

The first failure stops the others; a client is told one error, not a group of them. Among several
the expected one (a registry's refusal, a full disk) goes before what is a bug of ours.
"""

from collections.abc import Callable, Sequence

import anyio

from sampan.errors import SampanError


async def concurrently(indexes: Sequence[int], action: Callable[[int], object]) -> None:
    """Run `action` for all; the first failure stops the others and is raised alone."""
    try:
        async with anyio.create_task_group() as group:
            for index in indexes:
                group.start_soon(action, index)  # type: ignore[arg-type]
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure to tell: an expected one before a bug, whatever was first."""
    flat: list[BaseException] = []
    pending: list[BaseException] = [group]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending = [*error.exceptions, *pending]
        else:
            flat.append(error)
    return next((error for error in flat if isinstance(error, SampanError)), flat[0])
