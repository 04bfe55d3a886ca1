"""The rules by which a Dockerfile is linted: BuildKit's names, and what each says.

A rule's value is (what is asked for, the message of one violation, is it experimental). The facts
of a violation go into the message's braces in order.
"""

from enum import Enum


class Rule(Enum):
    """Experimental rules are silent unless the file's `check` directive asks for them."""

    StageNameCasing = (
        "Stage names should be lowercase",
        "Stage name '{}' should be lowercase",
    )
    FromAsCasing = (
        "The 'as' keyword should match the case of the 'from' keyword",
        "'{}' and '{}' keywords' casing do not match",
    )
    NoEmptyContinuation = (
        "Empty continuation lines will become errors in a future release",
        "Empty continuation line",
    )
    ConsistentInstructionCasing = (
        "All commands within the Dockerfile should use the same casing (either upper or lower)",
        "Command '{}' should match the case of the command majority ({})",
    )
    DuplicateStageName = (
        "Stage names should be unique",
        'Duplicate stage name "{}", stage names should be unique',
    )
    ReservedStageName = (
        "Reserved words should not be used as stage names",
        'Stage name should not use the same name as reserved stage "{}"',
    )
    JSONArgsRecommended = (
        (
            "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related "
            "to OS signals"
        ),
        "JSON arguments recommended for {} to prevent unintended behavior related to OS signals",
    )
    MaintainerDeprecated = (
        "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
        "Maintainer instruction is deprecated in favor of using label",
    )
    UndefinedArgInFrom = (
        "FROM command must use declared ARGs",
        "FROM argument '{}' is not declared",
    )
    WorkdirRelativePath = (
        (
            "Relative workdir without an absolute workdir declared within the build can have "
            "unexpected results if the base image changes"
        ),
        'Relative workdir "{}" can have unexpected results if the base image changes',
    )
    UndefinedVar = (
        "Variables should be defined before their use",
        "Usage of undefined variable '${}'",
    )
    MultipleInstructionsDisallowed = (
        "Multiple instructions of the same type should not be used in the same stage",
        (
            "Multiple {} instructions should not be used in the same stage because only the last "
            "one will be used"
        ),
    )
    LegacyKeyValueFormat = (
        "Legacy key/value format with whitespace separator should not be used",
        '"{0} key=value" should be used instead of legacy "{0} key value" format',
    )
    RedundantTargetPlatform = (
        (
            "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the "
            "default behavior"
        ),
        "Setting platform to predefined {} in FROM is redundant as this is the default behavior",
    )
    SecretsUsedInArgOrEnv = (
        "Sensitive data should not be used in the ARG or ENV commands",
        'Do not use ARG or ENV instructions for sensitive data ({} "{}")',
    )
    InvalidDefaultArgInFrom = (
        "Default value for global ARG results in an empty or invalid base image name",
        "Default value for ARG {} results in empty or invalid base image name",
    )
    FromPlatformFlagConstDisallowed = (
        "FROM --platform flag should not use a constant value",
        'FROM --platform flag should not use constant value "{}"',
    )
    CopyIgnoredFile = (
        "Attempting to Copy file that is excluded by .dockerignore",
        'Attempting to {} file "{}" that is excluded by .dockerignore',
    )
    InvalidDefinitionDescription = (
        (
            "Comment for build stage or argument should follow the format: `# <arg/stage name> "
            "<description>`. If this is not intended to be a description comment, add an empty "
            "line or comment between the instruction and the comment."
        ),
        "Comment for {} should follow the format: `# {} <description>`",
        True,
    )
    ExposeProtoCasing = (
        "Protocol in EXPOSE instruction should be lowercase",
        "Defined protocol '{}' in EXPOSE instruction should be lowercase",
    )
    ExposeInvalidFormat = (
        (
            "IP address and host-port mapping should not be used in EXPOSE instruction. This will "
            "become an error in a future release"
        ),
        "EXPOSE instruction should not define an IP address or host-port mapping, found '{}'",
    )
    InvalidBaseImagePlatform = (
        "Base image platform does not match expected target platform",
        'Base image {} was pulled with platform "{}", expected "{}" for current build',
    )

    def __init__(self, description: str, text: str, experimental: bool = False) -> None:
        self.description = description
        self.text = text
        self.experimental = experimental
