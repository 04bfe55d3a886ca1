"""Where steps stand in their stages."""

from sampan.builder.dockerfile.stages import parse_dockerfile
from sampan.builder.places import Places


def places(text):
    file = parse_dockerfile(text)
    found = Places(file, [stage.base.base for stage in file.stages])
    return [
        found.of(step, stage) for stage in file.stages for step in (stage.base, *stage.instructions)
    ]


def test_only_steps_that_make_files_count():
    assert places("FROM a\nENV x=y\nCOPY f /\nCMD z\nRUN true\n") == [
        "[1/3]",
        "",
        "[2/3]",
        "",
        "[3/3]",
    ]


def test_stages_have_names_and_stages_as_bases_do_not_count():
    text = "FROM a AS one\nRUN x\nFROM one\nWORKDIR /w\nFROM scratch\nCOPY --from=one / /\n"
    assert places(text) == [
        "[one 1/2]",
        "[one 2/2]",
        "",
        "[stage-1 1/1]",
        "",
        "[stage-2 1/1]",
    ]
