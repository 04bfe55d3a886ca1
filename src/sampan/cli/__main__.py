"""`python -m sampan.cli`: the command line without the console script.

Installed scripts may start the interpreter with `-I -S` (no site-packages set-up, which is a
third of the start-up time) and add the one directory that holds `sampan` themselves.
"""

import sys

from sampan.cli.main import entry

if __name__ == "__main__":
    sys.exit(entry())
