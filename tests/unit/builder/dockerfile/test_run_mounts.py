"""The options of RUN --mount: each one, alone and against the others."""

import pytest

from sampan.builder.dockerfile.run_mounts import (
    BadMount,
    MountKind,
    RunMount,
    Sharing,
    read_mount,
    resolve_mount,
)


def mount(text, **variables):
    def expand(word):
        for name, value in variables.items():
            word = word.replace(f"${name}", value)
        return word

    return resolve_mount(read_mount(text), expand)


BIND, CACHE, TMPFS = MountKind.BIND, MountKind.CACHE, MountKind.TMPFS
SECRET, SSH = MountKind.SECRET, MountKind.SSH


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target=/a", RunMount(kind=BIND, target="/a")),
        ("type=bind,dst=/a", RunMount(target="/a")),
        ("destination=/a,source=b", RunMount(target="/a", source="b")),
        ("target=/a,src=b,from=one", RunMount(target="/a", source="b", source_name="one")),
        ("target=/a,rw", RunMount(target="/a", readonly=False)),
        ("target=/a,readwrite=true", RunMount(target="/a", readonly=False)),
        ("target=/a,readwrite=false", RunMount(target="/a")),
        ("target=/a,ro=0", RunMount(target="/a", readonly=False)),
        ("TYPE=bind,Target=/a", RunMount(target="/a")),
        ('"target=/a,b"', RunMount(target="/a,b")),
        ("type=cache,target=/c/", RunMount(kind=CACHE, target="/c/", id="/c", readonly=False)),
        (
            "type=cache,target=/c,id=x,sharing=private,mode=0700,uid=1,gid=2",
            RunMount(
                kind=CACHE,
                target="/c",
                id="x",
                sharing=Sharing.PRIVATE,
                mode=0o700,
                uid=1,
                gid=2,
                readonly=False,
            ),
        ),
        (
            "type=cache,target=/c,id=../../x,sharing=locked,ro,from=one,source=d",
            RunMount(
                kind=CACHE,
                target="/c",
                id="../../x",
                sharing=Sharing.LOCKED,
                source_name="one",
                source="d",
            ),
        ),
        ("type=cache,dst=/c,readonly", RunMount(kind=CACHE, target="/c", id="/c")),
        ("type=tmpfs,target=/t", RunMount(kind=TMPFS, target="/t", readonly=False)),
        (
            "type=tmpfs,target=/t,size=64m",
            RunMount(kind=TMPFS, target="/t", readonly=False, size_bytes=64 << 20),
        ),
        ("type=secret,id=s", RunMount(kind=SECRET, id="s", target="/run/secrets/s")),
        ("type=secret,source=s", RunMount(kind=SECRET, id="s", target="/run/secrets/s")),
        ("type=secret,target=/x/s", RunMount(kind=SECRET, id="s", target="/x/s")),
        ("type=secret,id=s,env=S", RunMount(kind=SECRET, id="s", env="S")),
        (
            "type=secret,id=s,env=S,target=/s,required,mode=0444,uid=1,gid=2",
            RunMount(
                kind=SECRET, id="s", env="S", target="/s", required=True, mode=0o444, uid=1, gid=2
            ),
        ),
        ("type=secret,id=s,required=false", RunMount(kind=SECRET, id="s", target="/run/secrets/s")),
        ("type=ssh", RunMount(kind=SSH, id="default")),
        (
            "type=ssh,id=x,target=/s,required=true,mode=0666,uid=1,gid=2",
            RunMount(kind=SSH, id="x", target="/s", required=True, mode=0o666, uid=1, gid=2),
        ),
    ],
)
def test_option(text, expected):
    assert mount(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type=x,target=/a", 'unsupported mount type "x"'),
        ("target", "invalid field 'target' must be a key=value pair"),
        ("target=/a,nosuch=1", "unexpected key 'nosuch' in 'nosuch=1'"),
        ("type=bind", "bind mount requires a target"),
        ("type=cache", "cache mount requires a target"),
        ("target=/a,mode=0700", 'mode not allowed for "bind" type mounts'),
        ("type=tmpfs,target=/a,uid=1", 'uid not allowed for "tmpfs" type mounts'),
        ("type=tmpfs,target=/a,gid=1", 'gid not allowed for "tmpfs" type mounts'),
        ("target=/a,sharing=locked", "invalid cache sharing set for bind mount"),
        ("type=cache,target=/a,sharing=x", 'unsupported sharing value "x"'),
        ("type=cache,target=/a,size=1k", "unexpected key 'size' for mount type 'cache'"),
        ("target=/a,required", "unexpected key 'required' for mount type 'bind'"),
        ("type=tmpfs,target=/a,size=x", "invalid value for size: x"),
        ("type=cache,target=/a,mode=9", "invalid value 9 for mode"),
        ("type=cache,target=/a,uid=-1", "invalid value -1 for uid"),
        ("target=/a,ro=maybe", "invalid value for ro: maybe"),
        ("type=secret", "invalid secret mount. one of source, target required"),
        ("type=secret,id=a,source=b", "both source and id can't be set"),
        ("type=secret,id=a,from=b", "secret mount should not have a from"),
        (
            "target=/a,from=$x",
            "'from' doesn't support variable expansion, define alias stage instead",
        ),
    ],
)
def test_mistake(text, message):
    with pytest.raises(BadMount) as caught:
        mount(text)
    assert caught.value.message == message


def test_values_are_expanded_but_not_from():
    found = mount("type=$k,target=$t,id=$i", k="cache", t="/c", i="n")
    assert (found.kind, found.target, found.id) == (CACHE, "/c", "n")
    assert read_mount("target=/a,from=x$").source_name == "x$"
