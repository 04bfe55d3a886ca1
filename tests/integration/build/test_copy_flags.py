"""COPY and ADD with the flags of the language beyond the classic one, by the real client."""

import gzip
import io
import json
import tarfile

import pytest

pytestmark = pytest.mark.integration

LIST = ("sh", "-c", "cd /o && find . | sort | tr '\\n' ' '")


def archive(names):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for name in names:
            out.addfile(tarfile.TarInfo(name))
    return gzip.compress(buffer.getvalue())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("COPY --parents a/b/x.txt a/y.md /o/", ". ./a ./a/b ./a/b/x.txt ./a/y.md"),
        ("COPY --parents ./a/./b/x.txt /o", ". ./b ./b/x.txt"),
        ("COPY --parents **/*.txt /o/", ". ./a ./a/b ./a/b/x.txt ./top.txt"),
        ("COPY --parents a/b /o/", ". ./a ./a/b ./a/b/x.txt ./a/b/z.go"),
        ("COPY --exclude=*.md --exclude=**/*.go a /o/", ". ./b ./b/x.txt"),
        ("COPY --exclude=top.* *.txt a /o/", ". ./b ./b/x.txt ./b/z.go ./y.md"),
        ("COPY --parents --exclude=**/*.txt a /o/", ". ./a ./a/b ./a/b/z.go ./a/y.md"),
        ("COPY --link a /o", ". ./b ./b/x.txt ./b/z.go ./y.md"),
        ("ADD --link=true top.txt /o/n", ". ./n"),
        ("ADD t.gz /o/", ". ./in"),
        ("ADD --unpack=false t.gz /o/", ". ./t.gz"),
        ("ADD --unpack t.gz /o/", ". ./in"),
        ("COPY <<one <<two /o/\n1\none\n2\ntwo", ". ./one ./two"),
    ],
)
def test_what_is_copied(built, shown, line, expected):
    files = {
        "a/b/x.txt": b"",
        "a/b/z.go": b"",
        "a/y.md": b"",
        "top.txt": b"",
        "t.gz": archive(["in"]),
    }
    built(f"FROM busybox\n{line}\n", "-t", "t-flags", files=files)
    assert shown("t-flags", *LIST).strip() == expected


def test_modes_by_symbols(built, shown, context):
    (context / "d").mkdir()
    (context / "d" / "tool").write_text("")
    (context / "d" / "tool").chmod(0o700)
    (context / "d" / "text").write_text("")
    (context / "d" / "text").chmod(0o600)
    built(
        "FROM busybox\nCOPY --chmod=u=rwX,go=rX d /o/\nCOPY --chmod=+x d/text /p\n",
        *("-t", "t-mode"),
    )
    found = shown("t-mode", "stat", "-c", "%a", "/o", "/o/tool", "/o/text", "/p")
    assert found.split() == ["755", "755", "644", "711"]


def test_link_never_reads_the_destination(built, shown):
    """A link at the destination isn't followed, and names have nobody to ask."""
    built(
        "FROM busybox\nRUN mkdir /real && ln -s /real /way\nCOPY --link f /way/\n",
        *("-t", "t-link"),
        files={"f": b"x"},
    )
    assert shown("t-link", "sh", "-c", "ls /real; ls -d /way/f").strip() == "/way/f"
    done = built("FROM busybox\nCOPY --link --chown=daemon f /x\n", check=False)
    assert "no such user: daemon" in done.stderr


def layers(engine, name):
    return json.loads(engine.docker("inspect", "-f", "{{json .RootFS.Layers}}", name).stdout)


def test_a_linked_layer_is_taken_to_another_base(built, shown, engine):
    """New folders would get another time, so that a layer made anew has another digest."""

    def build(base, line, name="t-base"):
        done = built(
            f"FROM busybox\nRUN echo {base} > /base\n{line}\n", "-t", name, files={"f": b"x"}
        )
        return "Using cache" in done.stdout.rpartition("Step 3")[2]

    linked = "COPY --link --chmod=600 f /new/folder/"
    assert not build("one", linked, "t-base-one")
    assert build("two", linked)
    assert layers(engine, "t-base")[-1] == layers(engine, "t-base-one")[-1]
    assert layers(engine, "t-base")[-2] != layers(engine, "t-base-one")[-2]
    found = shown("t-base", "sh", "-c", "cat /base /new/folder/f; stat -c %a /new/folder/f /bin")
    assert found == "two\nx600\n755\n"
    assert not build("three", "COPY --link --chmod=644 f /new/folder/")
    assert not build("four", "COPY f /new/folder/")
    assert not build("five", "COPY f /new/folder/")


def test_a_link_out_of_an_image_stays_in_it(built, shown, engine):
    """COPY --from through an absolute link, and a destination that is one."""
    (engine.home / "host-file").write_text("host")
    done = built(
        f"FROM busybox AS one\nRUN ln -s {engine.home}/host-file /out && ln -s / /root-link\n"
        "FROM busybox\nCOPY --from=one /out /stolen\n",
        check=False,
    )
    assert done.returncode != 0
    assert "stat out: file does not exist" in done.stderr
    built(
        f"FROM busybox\nRUN ln -s {engine.home} /way\nCOPY f /way/planted\n",
        *("-t", "t-way"),
        files={"f": b"x"},
    )
    assert not (engine.home / "planted").exists()
    assert shown("t-way", "ls", f"{engine.home}/planted").strip() == f"{engine.home}/planted"


def test_platform_arguments_and_expansion(built, shown):
    built(
        "ARG V=latest\nFROM --platform=$BUILDPLATFORM busybox:${V} AS Build\n"
        "ARG TARGETPLATFORM\nARG TARGETARCH\nARG TARGETOS=mine\nARG BUILDOS\n"
        "ENV D=/o\nWORKDIR $D\nCOPY ${D#/}ne $D/$TARGETARCH\n"
        "RUN echo $TARGETPLATFORM $BUILDOS $TARGETOS > p\n",
        *("-t", "t-platform", "--target", "BUILD"),
        files={"one": b"one"},
    )
    assert shown("t-platform", "cat", "/o/p") == "linux/amd64 linux mine\n"
    assert shown("t-platform", "cat", "/o/amd64") == "one"


def test_heredocs(built, shown):
    built(
        "FROM busybox\nARG who=me\n"
        "RUN <<EOF\necho one > /a\necho two >> /a\nEOF\n"
        "RUN <<EOF\n#!/bin/busybox sh\necho script $0 | sed 's/ .*//' >> /a\nEOF\n"
        'COPY <<-x <<"y" /d/\n\thello $who\n\tx\nhello $who\ny\n',
        *("-t", "t-heredoc"),
    )
    found = shown("t-heredoc", "cat", "/a", "/d/x", "/d/y")
    assert found == "one\ntwo\nscript\nhello me\nhello $who\n"


def test_warnings_by_rule_and_as_errors(built, context):
    done = built("from busybox AS Base\nRUN true\nMAINTAINER me\nCMD echo $x\nLABEL a=$nosuch\n")
    assert "[Warning] StageNameCasing: Stage name 'Base' should be lowercase (l" in done.stdout
    assert "[Warning] MaintainerDeprecated: " in done.stdout
    assert "[Warning] UndefinedVar: Usage of undefined variable '$nosuch' (line 5)" in done.stdout
    (context / ".dockerignore").write_text("secret\n")
    done = built(
        "# check=skip=FromAsCasing;error=true\nFROM busybox\nCOPY Dockerfile secret /\n",
        check=False,
    )
    assert "lint violation found for rules: CopyIgnoredFile" in done.stderr
    done = built("# check=skip=all\nfrom busybox AS Base\nMAINTAINER me\n")
    assert "[Warning]" not in done.stdout


@pytest.mark.parametrize("name", ["Dockerfile.dockerignore", ".dockerignore"])
def test_ignore_files(engine, context, name):
    (context / name).write_text("*\n!keep\n")
    (context / "keep").write_text("")
    (context / "drop").write_text("")
    (context / "Dockerfile").write_text("FROM busybox\nCOPY . /o/\n")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as out:
        out.add(context, arcname=".")
    engine.docker("build", "-t", "t-ignore", "-", stdin=buffer.getvalue())
    assert engine.docker("run", "--rm", "t-ignore", "ls", "/o").stdout == "keep\n"
