"""Names for containers that were given none: `adjective_surname`, as Docker's users know them.

The words are our own choice: moods, and people of ships, harbours, sea routes and computing.
"""

import re
import secrets
from collections.abc import Callable

from sampan.errors import InvalidArgument

PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9_.-]"  # as the message shows it; two characters at least
_NAME = re.compile(rf"/?{PATTERN}+")

ADJECTIVES = (
    "able", "agile", "alert", "amber", "ample", "ancient", "arctic", "artful", "autumn", "awake",
    "balmy", "bold", "brave", "breezy", "bright", "brisk", "buoyant", "busy", "calm", "candid",
    "careful", "cheerful", "clear", "clever", "coastal", "cosy", "crisp", "curious", "daring",
    "deft", "distant", "eager", "early", "earnest", "eastern", "easy", "elegant", "epic", "fair",
    "famous", "fearless", "fleet", "fluent", "fond", "frank", "fresh", "gallant", "gentle",
    "glad", "golden", "graceful", "grand", "happy", "hardy", "hearty", "helpful", "honest",
    "humble", "jolly", "keen", "kind", "lively", "loyal", "lucid", "lucky", "mellow", "merry",
    "mighty", "mindful", "modest", "neat", "nimble", "noble", "northern", "patient", "placid",
    "plucky", "polite", "prompt", "proud", "quick", "quiet", "rapid", "ready", "restful",
    "robust", "rustic", "serene", "sharp", "silent", "sincere", "smooth", "snug", "sober",
    "solid", "southern", "spry", "steady", "stoic", "sturdy", "sunny", "swift", "tactful",
    "tidal", "tidy", "tranquil", "trusty", "upbeat", "valiant", "vivid", "warm", "wakeful",
    "western", "windy", "wise", "witty", "zesty",
)  # fmt: skip
SURNAMES = (
    "allen", "amundsen", "anning", "babbage", "backus", "baret", "barents", "bartik", "battuta",
    "beaufort", "bering", "bode", "bougainville", "bowditch", "brahe", "brunel", "cabot",
    "carson", "cartier", "cerf", "chichester", "church", "clarke", "codd", "columbus", "conway",
    "cook", "cousteau", "curie", "dias", "diffie", "dijkstra", "drake", "dufour", "earhart",
    "earle", "engelbart", "eratosthenes", "erikson", "euler", "faraday", "feinler", "flinders",
    "floyd", "franklin", "frobisher", "galilei", "gama", "gauss", "goldberg", "hamilton",
    "harrison", "hellman", "henson", "hertz", "hoare", "hopper", "hudson", "humboldt", "huygens",
    "ibnmajid", "jemison", "kahan", "kay", "kepler", "kernighan", "knuth", "kowalevski",
    "lamarr", "lamport", "lampson", "liskov", "lovelace", "magellan", "marin", "maury",
    "mccarthy", "mclean", "mercator", "milner", "nansen", "naur", "newcomb", "nightingale",
    "noether", "nordenskiold", "peary", "perlis", "perlman", "polo", "postel", "ptolemy",
    "ride", "ritchie", "ross", "sacagawea", "scott", "shackleton", "shannon", "slocum",
    "sobel", "stallman", "sverdrup", "tasman", "tereshkova", "thompson", "torvalds", "tupaia",
    "turing", "vancouver", "verne", "vespucci", "watson", "wilkes", "wirth", "xu", "zhenghe",
)  # fmt: skip


class InvalidName(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"Invalid container name ({name}), only {PATTERN} are allowed")


def check_name(name: str) -> str:
    """The name without its slash. Raises InvalidName."""
    if _NAME.fullmatch(name) is None:
        raise InvalidName(name)
    return name.removeprefix("/")


def random_name(is_taken: Callable[[str], bool]) -> str:
    """A free one; a number is added when luck fails."""
    for attempt in range(8):
        name = f"{secrets.choice(ADJECTIVES)}_{secrets.choice(SURNAMES)}"
        if attempt > 4:
            name += str(secrets.randbelow(10))
        if not is_taken(name):
            return name
    return f"{secrets.choice(ADJECTIVES)}_{secrets.choice(SURNAMES)}_{secrets.token_hex(4)}"
