"""`python -m sampan.daemon`: what `sampan daemon` executes."""

import sys

from sampan.daemon.main import entry

if __name__ == "__main__":
    sys.exit(entry())
