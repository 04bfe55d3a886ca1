"""A user's token at an etcd that asks for one (`etcdctl auth enable`).

etcd gives a token for name and password, and forgets it: after a while, when its users are changed,
when it restarts. A call that is refused for that hasn't happened; whoever made it forgets the token
as well, and may make the call again. Passwords are read when they are needed, so one that was
replaced counts without a restart.
"""

from collections.abc import Callable
from dataclasses import dataclass

INVALID_ARGUMENT, UNAUTHENTICATED = 3, 16  # gRPC's codes


@dataclass(slots=True)
class Login:
    """`password` raises OSError where it can't be read. `token`: "" for none."""

    user: str
    password: Callable[[], str]
    token: str = ""

    def question(self) -> dict[str, str]:
        return {"name": self.user, "password": self.password()}

    def forgets(self, code: int, why: str) -> bool:
        """Whether that refusal means that the token doesn't count any more."""
        stale = code == UNAUTHENTICATED or (
            code == INVALID_ARGUMENT and ("auth store is old" in why or "user name is empty" in why)
        )
        if stale:
            self.token = ""
        return stale
