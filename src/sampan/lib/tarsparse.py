"""Maps of sparse files in tar archives: where the stored data goes in the file.

Four shapes exist: old GNU (type S, in the header and extension blocks), PAX 0.0 and 0.1 (a record
with numbers) and PAX 1.0 (decimal lines at the beginning of the data). A map is a tuple of
(offset, length) in ascending order.
"""

from collections.abc import Callable
from typing import NoReturn

Runs = tuple[tuple[int, int], ...]
Map = tuple[int, int, Runs]  # bytes of data that were the map, real size, runs

_BLOCK = 512
_PAIR = 24
_MAX_RUNS = 1 << 16
_MAX_DIGITS = 20


def old_gnu(header: bytes, next_block: Callable[[], bytes], number: Callable[[bytes], int]) -> Map:
    """Four pairs in the header, 21 in each extension block; these aren't counted in the size."""
    runs = _pairs(header[386:482], number)
    more = header[482]
    while more and len(runs) < _MAX_RUNS:
        block = next_block()
        runs += _pairs(block[:504], number)
        more = block[504]
    return 0, number(header[483:495]), tuple(runs)


def _pairs(data: bytes, number: Callable[[bytes], int]) -> list[tuple[int, int]]:
    found = []
    for at in range(0, len(data), _PAIR):
        if data[at] == 0:
            break
        found.append((number(data[at : at + 12]), number(data[at + 12 : at + _PAIR])))
    return found


def pax(records: dict[str, bytes], next_block: Callable[[], bytes]) -> Map | None:
    """Raises ValueError or KeyError for records that make no sense."""
    if records.get("GNU.sparse.major") == b"1":
        consumed, runs = _map_in_data(next_block)
        return consumed, int(records["GNU.sparse.realsize"]), runs
    if "GNU.sparse.map" not in records:
        return None
    numbers = [int(text) for text in records["GNU.sparse.map"].split(b",")]
    size = records.get("GNU.sparse.size") or records["GNU.sparse.realsize"]
    return 0, int(size), _paired(numbers)


def _paired(numbers: list[int]) -> Runs:
    if len(numbers) % 2:
        raise ValueError("odd number of offsets and lengths")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _map_in_data(next_block: Callable[[], bytes]) -> tuple[int, Runs]:
    consumed = 0
    rest = b""
    numbers: list[int] = []  # how many pairs there are, then the pairs
    while not numbers or len(numbers) <= 2 * numbers[0]:
        block = next_block()
        consumed += len(block)
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            if numbers and len(numbers) > 2 * numbers[0]:
                break  # padding
            if not line.isdigit() or len(line) > _MAX_DIGITS:
                raise ValueError("not a number")
            numbers.append(int(line))
        if numbers and numbers[0] > _MAX_RUNS:
            raise ValueError("too many runs")
        if len(rest) > _BLOCK:
            raise ValueError("the map has no end")
    return consumed, _paired(numbers[1 : 2 * numbers[0] + 1])


def check(runs: Runs, size: int, stored: int, invalid: Callable[[], NoReturn]) -> None:
    """Ascending, within the file, and as long as the data stored."""
    end = 0
    for offset, length in runs:
        if length < 0 or offset < end:
            invalid()
        end = offset + length
    if end > size or size < 0 or sum(length for _, length in runs) != stored:
        invalid()
