"""`python -m sampan.cli`: the command line without the console script.

The script that pip writes for an entry point imports `re` first, which costs as much as all of
`ps`. A plain script doesn't:

    #!python
    import sys
    from sampan.cli.main import entry
    sys.exit(entry())

and started with `-I -S` (no site-packages set-up; `sys.path` gets the one directory that holds
`sampan`) the interpreter itself takes about 9 ms, `ps` about 8 ms more.
"""

import sys

from sampan.cli.main import entry

if __name__ == "__main__":
    sys.exit(entry())
