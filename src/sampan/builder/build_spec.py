"""What to build, as a client asked for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sampan.builder.dockerfile.stages import Dockerfile
from sampan.builder.given_secrets import Lent
from sampan.builder.named import Named
from sampan.oci.platform import Platform
from sampan.wire.containers import HostSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """`host` has limits, network mode, extra hosts and shm size of RUN steps; `lent` what the
    client lends to them; `entitlements` ("network.host") what they may ask for.

    `use_cache` false makes everything anew, `no_cache_stages` (names in lower case, or numbers)
    these stages. `excluded` says what .dockerignore keeps out of the context. `squash` puts
    everything above the base into one layer, `inline_cache` puts the steps into the image's config.
    `name` and `filename` only say what was built, to compare it with the last time.
    """

    dockerfile: Dockerfile
    target: str = ""
    build_args: Mapping[str, str | None]
    labels: Mapping[str, str]
    use_cache: bool = True
    no_cache_stages: frozenset[str] = frozenset()
    pull: bool = False
    squash: bool = False
    inline_cache: bool = False
    platform: Platform | None = None
    host: HostSettings
    named: Mapping[str, Named] = field(default_factory=dict)
    lent: Lent = field(default_factory=Lent)
    entitlements: frozenset[str] = frozenset()
    excluded: Callable[[str], bool] | None = None
    name: str = ""
    filename: str = ""
