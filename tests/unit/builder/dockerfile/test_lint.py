"""Each rule: what breaks it, what doesn't, and how the check directive chooses."""

import pytest

from sampan.builder.dockerfile.checks import BadCheck, parse_checks
from sampan.builder.dockerfile.ignore import IgnoreRules
from sampan.builder.dockerfile.lint import lint
from sampan.builder.dockerfile.rules import Rule
from sampan.builder.dockerfile.stages import parse_dockerfile

EXPERIMENTAL = "# check=experimental=all\n"


def found(text, given=None, excluded=None):
    linted = lint(parse_dockerfile(text), given, excluded=excluded)
    return [(one.rule.name, one.where.first_line, one.message) for one in linted.warnings]


@pytest.mark.parametrize(
    ("text", "rule", "line", "message"),
    [
        ("FROM a AS Base\n", "StageNameCasing", 1, "Stage name 'Base' should be lowercase"),
        ("FROM a as x\n", "FromAsCasing", 1, "'as' and 'FROM' keywords' casing do not match"),
        ("FROM a\nRUN x \\\n\n  y\n", "NoEmptyContinuation", 2, "Empty continuation line"),
        (
            "FROM a\nRUN x\nrun y\n",
            "ConsistentInstructionCasing",
            3,
            "Command 'run' should match the case of the command majority (uppercase)",
        ),
        (
            "from a\nrun x\nWorkdir /x\n",
            "ConsistentInstructionCasing",
            3,
            "Command 'Workdir' should match the case of the command majority (lowercase)",
        ),
        (
            "FROM a AS x\nFROM b AS x\n",
            "DuplicateStageName",
            2,
            'Duplicate stage name "x", stage names should be unique',
        ),
        (
            "FROM a AS scratch\n",
            "ReservedStageName",
            1,
            'Stage name should not use the same name as reserved stage "scratch"',
        ),
        ("FROM a$x\n", "UndefinedArgInFrom", 1, "FROM argument 'x' is not declared"),
        (
            "FROM a\nWORKDIR x\n",
            "WorkdirRelativePath",
            2,
            'Relative workdir "x" can have unexpected results if the base image changes',
        ),
        (
            "FROM a\nMAINTAINER me\n",
            "MaintainerDeprecated",
            2,
            "Maintainer instruction is deprecated in favor of using label",
        ),
        (
            "FROM a\nCMD x\n",
            "JSONArgsRecommended",
            2,
            (
                "JSON arguments recommended for CMD to prevent unintended behavior related to OS "
                "signals"
            ),
        ),
        (
            'FROM a\nCMD ["x"]\nCMD ["y"]\n',
            "MultipleInstructionsDisallowed",
            2,
            (
                "Multiple CMD instructions should not be used in the same stage because only the "
                "last one will be used"
            ),
        ),
        (
            "FROM a\nENV DB_PASSWORD=x\n",
            "SecretsUsedInArgOrEnv",
            2,
            'Do not use ARG or ENV instructions for sensitive data (ENV "DB_PASSWORD")',
        ),
        (
            "FROM a\nARG GITHUB_token\n",
            "SecretsUsedInArgOrEnv",
            2,
            'Do not use ARG or ENV instructions for sensitive data (ARG "GITHUB_token")',
        ),
        (
            "FROM a\nENV a b\n",
            "LegacyKeyValueFormat",
            2,
            '"ENV key=value" should be used instead of legacy "ENV key value" format',
        ),
        (
            "FROM --platform=$TARGETPLATFORM a\n",
            "RedundantTargetPlatform",
            1,
            (
                "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is "
                "the default behavior"
            ),
        ),
        (
            "FROM --platform=linux/amd64 a\n",
            "FromPlatformFlagConstDisallowed",
            1,
            'FROM --platform flag should not use constant value "linux/amd64"',
        ),
        (
            "ARG V\nFROM a:$V\n",
            "InvalidDefaultArgInFrom",
            2,
            "Default value for ARG a:$V results in empty or invalid base image name",
        ),
        (
            "FROM a\nEXPOSE 80/TCP\n",
            "ExposeProtoCasing",
            2,
            "Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
        ),
        (
            "FROM a\nEXPOSE 80:80\n",
            "ExposeInvalidFormat",
            2,
            (
                "EXPOSE instruction should not define an IP address or host-port mapping, found "
                "'80:80'"
            ),
        ),
        (
            f"{EXPERIMENTAL}# wrong words\nFROM a AS x\n",
            "InvalidDefinitionDescription",
            3,
            "Comment for stage x should follow the format: `# x <description>`",
        ),
    ],
)
def test_rule(text, rule, line, message):
    assert found(text) == [(rule, line, message)]


@pytest.mark.parametrize(
    "text",
    [
        "FROM a AS base\nRUN x\n",
        "from a as base\nrun x\n",
        "ARG V=1\nFROM a:$V\n",
        "FROM a:${V:-1}\n",
        "FROM --platform=$BUILDPLATFORM a\n",
        "FROM --platform=linux/arm64 a AS build-arm64\n",
        "FROM a\nWORKDIR /x\nWORKDIR y\n",
        'FROM a\nCMD ["x"]\nFROM b\nCMD ["y"]\n',
        "FROM a\nENV PUBLIC_KEY=x MONKEY=y\n",
        "FROM a\nEXPOSE 80/tcp 90-91/udp $PORT/${PROTO:-tcp}\n",
        "# wrong words\nFROM a AS x\n",
        f"{EXPERIMENTAL}# x is good\nFROM a AS x\n# y too\nARG y\n\n# far\n\nARG z\n",
    ],
)
def test_nothing_to_say(text):
    assert found(text) == []


def test_copies_of_ignored_files():
    excluded = IgnoreRules("secret\n*.log").excluded
    text = (
        "FROM a\nCOPY secret a.log *.log ./b /\nADD --chown=1 secret/x /\nCOPY --from=x secret /\n"
    )
    assert [(rule, line) for rule, line, _ in found(text, excluded=excluded)] == [
        ("CopyIgnoredFile", 2),
        ("CopyIgnoredFile", 2),
        ("CopyIgnoredFile", 3),
    ]


def test_the_directive_and_the_argument_choose():
    text = "FROM a AS B\nMAINTAINER x\n"
    assert [one[0] for one in found("# check=skip=StageNameCasing\n" + text)] == [
        "MaintainerDeprecated"
    ]
    assert found("# check=skip=all\n" + text) == []
    given = {"BUILDKIT_DOCKERFILE_CHECK": "skip=MaintainerDeprecated"}
    assert [one[0] for one in found("# check=skip=all\n" + text, given)] == ["StageNameCasing"]
    assert lint(parse_dockerfile("# check=skip=A;error=true\n" + text)).is_error
    assert not lint(parse_dockerfile(text)).is_error


@pytest.mark.parametrize("text", ["x", "skip", "error=perhaps", "nosuch=1"])
def test_unreadable_check(text):
    with pytest.raises(BadCheck):
        parse_checks(text)


def test_every_rule_has_its_number_of_facts():
    for rule in Rule:
        assert rule.text.format("a", "b", "c")
        assert rule.description
