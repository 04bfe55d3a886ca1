"""Each instruction: what it leaves in the configuration, and what the classic history says."""

import pytest

from sampan.builder.dockerfile.stages import parse_dockerfile, parse_trigger
from sampan.builder.graph import Vertex
from sampan.builder.lower.dispatch import lower
from sampan.builder.lower.process import NotEntitled
from sampan.builder.lower.scope import GlobalScope, StageScope, platform_arguments
from sampan.builder.lower.stage import Lowering, Parts
from sampan.errors import InvalidArgument
from sampan.oci.image_config import ImageRunConfig
from sampan.oci.platform import parse_platform

ARM = parse_platform("linux/arm64/v8")
AMD = parse_platform("linux/amd64")


class _Workspaces:
    epoch_ns = None


def stage(text, config=None, given=None, **more):
    """The lowering of the last stage of a Dockerfile, all its instructions done."""
    file = parse_dockerfile(text)
    scope = GlobalScope(
        given=given or {}, values=platform_arguments(ARM, AMD, ""), escape=file.escape
    )
    for arg in file.global_args:
        scope.declare(arg)
    parts = Parts(
        **{
            **dict.fromkeys(Parts.__dataclass_fields__),
            "platform": ARM,
            "network_mode": "",
            "entitlements": frozenset(),
            "workspaces": _Workspaces(),
            **more,
        }
    )
    lowering = Lowering(
        Vertex(None),
        config or ImageRunConfig(),
        author="",
        scope=StageScope(scope),
        parts=parts,
        escape=file.escape,
    )
    for instruction in file.stages[-1].instructions:
        lower(lowering, instruction, Vertex)
    return lowering


def history(lowering):
    return " ".join(lowering.chain[-1].op._record.command)


SHELL = "/bin/sh -c #(nop)  "


@pytest.mark.parametrize(
    ("line", "field", "value", "said"),
    [
        ("CMD a b", "Cmd", ["/bin/sh", "-c", "a b"], 'CMD ["/bin/sh" "-c" "a b"]'),
        ('CMD ["a","b"]', "Cmd", ["a", "b"], 'CMD ["a" "b"]'),
        ("ENTRYPOINT a", "Entrypoint", ["/bin/sh", "-c", "a"], 'ENTRYPOINT ["/bin/sh" "-c" "a"]'),
        ('ENTRYPOINT ["x"]', "Entrypoint", ["x"], 'ENTRYPOINT ["x"]'),
        ("LABEL k=v", "Labels", {"k": "v"}, "LABEL k=v"),
        ('LABEL "a b"="c d" e=f', "Labels", {"a b": "c d", "e": "f"}, "LABEL a b=c d e=f"),
        ("LABEL k v w", "Labels", {"k": "v w"}, "LABEL k=v w"),
        ("EXPOSE 80", "ExposedPorts", {"80/tcp": {}}, "EXPOSE 80"),
        ("EXPOSE 1-2/udp", "ExposedPorts", {"1/udp": {}, "2/udp": {}}, "EXPOSE 1-2/udp"),
        ("ENV k=v", "Env", ["PATH=p", "k=v"], "ENV k=v"),
        ("ENV k v w", "Env", ["PATH=p", "k=v w"], "ENV k=v w"),
        ("ENV PATH=q:$PATH", "Env", ["PATH=q:p"], "ENV PATH=q:p"),
        ("VOLUME /a /b", "Volumes", {"/a": {}, "/b": {}}, "VOLUME [/a /b]"),
        ('VOLUME ["/a b"]', "Volumes", {"/a b": {}}, "VOLUME [/a b]"),
        ("USER 1:2", "User", "1:2", "USER 1:2"),
        ("STOPSIGNAL SIGKILL", "StopSignal", "SIGKILL", "STOPSIGNAL SIGKILL"),
        ('SHELL ["a","b"]', "Shell", ["a", "b"], "SHELL [a b]"),
        ("ONBUILD RUN x", "OnBuild", ["RUN x"], "ONBUILD RUN x"),
    ],
)
def test_configuration(line, field, value, said):
    found = stage(f"FROM x\n{line}\n", ImageRunConfig(Env=["PATH=p"]))
    assert getattr(found.config, field) == value
    assert history(found) == SHELL.replace("/bin/sh -c", " ".join(found.shell)) + said


def test_health_checks():
    found = stage("FROM x\nHEALTHCHECK --interval=5s --retries=1 CMD curl x\n").config.Healthcheck
    assert (found.Test, found.Interval, found.Retries) == (["CMD-SHELL", "curl x"], 5 * 10**9, 1)
    assert stage('FROM x\nHEALTHCHECK CMD ["a"]\n').config.Healthcheck.Test == ["CMD", "a"]
    assert stage("FROM x\nHEALTHCHECK NONE\n").config.Healthcheck.Test == ["NONE"]


def test_maintainer_is_the_author():
    assert stage("FROM x\nMAINTAINER $me you\n", given={"me": "x"}).author == " you"


def test_workdirs_stack():
    found = stage("FROM x\nENV d=c\nWORKDIR /a\nWORKDIR b/../$d\n")
    assert found.config.WorkingDir == "/a/c"
    assert history(found) == "/bin/sh -c #(nop) WORKDIR /a/c"


def test_a_cmd_of_the_base_goes_with_a_new_entrypoint_and_an_own_one_stays():
    base = ImageRunConfig(Cmd=["old"])
    assert stage('FROM x\nENTRYPOINT ["e"]\n', base).config.Cmd is None
    own = stage('FROM x\nCMD ["new"]\nENTRYPOINT ["e"]\n', base)
    assert own.config.Cmd == ["new"]


def test_a_line_sees_the_state_before_it():
    found = stage("FROM x\nENV a=1\nENV a=2 b=$a\n", ImageRunConfig(Env=["PATH=p"]))
    assert found.config.Env == ["PATH=p", "a=2", "b=1"]


def test_run_gets_arguments_and_says_so():
    found = stage(
        "FROM x\nARG b=2\nARG a\nARG unset\nENV e=1\nRUN go $a\n",
        given={"a": "1", "HTTP_PROXY": "p"},
    )
    program = found.chain[-1].op._program
    assert program.argv == ("/bin/sh", "-c", "go $a")
    assert (program.env["a"], program.env["b"], program.env["e"]) == ("1", "2", "1")
    assert "unset" not in program.env
    assert program.unkeyed_env == {"HTTP_PROXY": "p"}
    assert history(found) == "|2 a=1 b=2 /bin/sh -c go $a"


PLATFORM = {
    "TARGETPLATFORM": "linux/arm64",
    "TARGETOS": "linux",
    "TARGETARCH": "arm64",
    "TARGETVARIANT": "",
    "TARGETSTAGE": "default",
    "BUILDPLATFORM": "linux/amd64",
    "BUILDOS": "linux",
    "BUILDARCH": "amd64",
    "BUILDVARIANT": "",
}


@pytest.mark.parametrize("name", PLATFORM)
def test_platform_arguments_count_when_declared(name):
    declared = stage(f"FROM x\nARG {name}\nLABEL l=${name}\n").config.Labels["l"]
    undeclared = stage(f"FROM x\nLABEL l=${name}\n").config.Labels["l"]
    assert undeclared == ""
    assert declared.removesuffix("/v8").removesuffix("v8") == PLATFORM[name]


@pytest.mark.parametrize(
    "name",
    [
        variant
        for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
        for variant in (upper, upper.lower())
    ],
)
def test_proxies_are_there_undeclared_and_count_when_declared(name):
    given = {name: "p"}
    silent = stage("FROM x\nRUN a\n", given=given)
    assert silent.chain[-1].op._program.unkeyed_env == given
    assert "p" not in history(silent)
    declared = stage(f"FROM x\nARG {name}\nRUN a\n", given=given)
    assert declared.chain[-1].op._program.env[name] == "p"
    assert history(declared).startswith(f"|1 {name}=p ")


def test_global_arguments_need_to_be_declared_again():
    text = "ARG g=1\nFROM x\nLABEL a=$g\nARG g\nLABEL b=$g\n"
    assert stage(text).config.Labels == {"a": "", "b": "1"}
    assert stage(text, given={"g": "2"}).config.Labels == {"a": "", "b": "2"}


def test_env_beats_arg():
    assert stage("FROM x\nENV a=env\nARG a=arg\nLABEL l=$a\n").config.Labels["l"] == "env"


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("COPY --from=one a /b", "from_context", False),
        ("COPY --chown=$u a /b", "chown", "7"),
        ("COPY --chmod=$m a /b", "chmod", "0640"),
        ("COPY --link a /b", "linked", True),
        ("COPY --link=false a /b", "linked", False),
        ("COPY --parents a /b", "parents", True),
        ("COPY --exclude=*.md --exclude=$u a /b", "excludes", ("*.md", "7")),
        ("ADD --unpack=false a /b", "unpack", False),
        ("ADD --unpack a /b", "unpack", True),
        ("ADD a /b", "unpack", None),
        ("COPY a /b", "unpack", False),
        ("COPY a$u $u/", "destination", "/7/"),
    ],
)
def test_flags_of_copy_and_add(line, field, value):
    found = stage(f"FROM x\nENV u=7 m=0640\n{line}\n").chain[-1]
    if field == "from_context":
        assert (found.inputs[1].op == "") is value
    else:
        assert getattr(found.op._transfer, field) == value


def test_sources_of_add():
    found = stage(
        "FROM x\nENV s=sha256:1\nADD --checksum=$s --keep-git-dir=true https://h/r.git /\n"
    )
    wanted = found.chain[-1].op._transfer.wanted
    assert (wanted.checksum, wanted.keep_git_dir, wanted.is_add) == ("sha256:1", True, True)
    assert wanted.sources == ("https://h/r.git",)


def test_mounts_of_run_in_order_with_their_sources():
    found = stage(
        "FROM x\nENV t=/t\nWORKDIR /w\nRUN --mount=type=tmpfs,target=$t --mount=target=rel "
        "--mount=type=cache,target=/c,from=one --mount=type=ssh --mount=type=ssh go\n"
    ).chain[-1]
    assert [(one.mount.target, one.source) for one in found.op._program.mounts] == [
        ("/t", 0),
        ("/w/rel", 1),
        ("/c", 2),
        ("/run/buildkit/ssh_agent.0", 0),
        ("/run/buildkit/ssh_agent.1", 0),
    ]
    assert [vertex.op for vertex in found.inputs[1:]] == ["", "one"]


def test_a_mount_can_not_be_the_root():
    with pytest.raises(InvalidArgument, match=r'invalid mount target "/x/\.\."'):
        stage("FROM x\nRUN --mount=target=/x/.. true\n")


@pytest.mark.parametrize(
    ("flag", "what"),
    [
        ("--network=host", "network.host"),
        ("--security=insecure", "security.insecure"),
        ("--device=vendor.com/x=y", "device"),
    ],
)
def test_what_needs_leave(flag, what):
    with pytest.raises(NotEntitled, match=f"{what} is not allowed"):
        stage(f"FROM x\nRUN {flag} true\n")


def test_what_is_given_leave():
    allowed = frozenset({"network.host"})
    found = stage("FROM x\nRUN --network=host true\n", entitlements=allowed)
    assert found.chain[-1].op._program.network == "host"
    assert stage("FROM x\nRUN --network=host true\n", network_mode="host")
    assert stage("FROM x\nRUN --network=none true\n").chain[-1].op._program.network == "none"
    sandboxed = stage("FROM x\nRUN --network=default --security=sandbox true\n")
    assert sandboxed.chain[-1].op._program.network == ""


def test_undefined_variables_are_noted_once_and_defaults_are_none():
    found = stage(
        "FROM x\nARG known\nLABEL a=$nosuch b=${nosuch} c=${other:-d} d=$known e=$http_proxy\n"
    )
    assert found.take_undefined() == ["nosuch"]
    assert found.take_undefined() == []


def test_triggers_may_hold_the_whole_language():
    lowering = stage("FROM x\nONBUILD RUN --mount=type=tmpfs,target=/t <<EOF\necho\nEOF\n")
    [expression] = lowering.config.OnBuild
    trigger = parse_trigger(expression)
    assert trigger.mounts[0].kind == "tmpfs"
    assert trigger.heredocs[0].body == "echo\n"
