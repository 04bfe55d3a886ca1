"""When a delivery is tried again. Pure.

    attempt 1 -> 10 s -> 2 -> 20 s -> 3 -> 40 s ... at most an hour -> attempt 15 -> given up

That is some six hours. Each pause is up to a fifth longer or shorter by chance, so that deliveries
which failed together don't come back together.
"""

from dataclasses import dataclass

SECOND_NS = 10**9


@dataclass(frozen=True, slots=True)
class Schedule:
    first_s: float = 10.0
    longest_s: float = 3600.0
    attempts: int = 15
    jitter: float = 0.2

    def pause_ns(self, attempt: int, chance: float) -> int:
        """After attempt number `attempt`; `chance` is from 0 to 1."""
        pause_s = min(self.longest_s, self.first_s * 2.0 ** min(attempt - 1, 40))
        return int(pause_s * (1 + self.jitter * (2 * chance - 1)) * SECOND_NS)
