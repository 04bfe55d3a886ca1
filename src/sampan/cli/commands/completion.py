"""`completion SHELL`: the script to load; `__complete WORDS..`: the answers that it asks for."""

from __future__ import annotations

import sys

from sampan.cli.command import Command, Exit
from sampan.cli.completion.sources import SHELLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

_HELP = f"""Print a script that completes command lines in a shell: {", ".join(SHELLS)}.

  bash:  source <(sampan completion bash)
         for all users: sampan completion bash > /etc/bash_completion.d/sampan
  zsh:   source <(sampan completion zsh)    (after compinit)
         for all users: sampan completion zsh > /usr/share/zsh/vendor-completions/_sampan
  fish:  sampan completion fish | source
         for good: sampan completion fish > ~/.config/fish/completions/sampan.fish"""


def script(context: Context, _flags: Flags, words: list[str]) -> int:
    from sampan.cli.completion.scripts import SCRIPTS

    shell = words[0]
    if shell not in SCRIPTS:
        raise Exit(1, f"unsupported shell {shell!r}: must be one of {', '.join(SHELLS)}")
    context.out(SCRIPTS[shell])
    return 0


def answer(context: Context, _flags: Flags, words: list[str]) -> int:
    """Always succeeds: what can't be found out has no candidates."""
    from sampan.cli.completion.words import complete, global_words
    from sampan.cli.context import Context as Connected
    from sampan.cli.flags import parse
    from sampan.cli.main import GLOBAL_FLAGS, single_host, tls_files
    from sampan.errors import SampanError

    words = words or [""]
    try:
        given, _ = parse(GLOBAL_FLAGS, global_words(GLOBAL_FLAGS, words[:-1]))
        asking = Connected(
            context.environment,
            host=single_host(given) or context.host,
            tls=tls_files(given, context.environment),
            config_dir=given.text("config"),
        )
        found = complete(asking, GLOBAL_FLAGS, words)
    except SampanError:
        return 0
    sys.stdout.write("\n".join(found.lines(words[-1])) + "\n")
    return 0


COMPLETION = Command(script, "SHELL", least=1, most=1, description=_HELP)
COMPLETE = Command(answer, "WORD...", most=None, raw=True)
