"""``python -m nirdeploy``."""

import os
import sys

# -m puts the current folder first, unless that was removed: there lie the user's data, and no package of ours or that
# we need.
try:
    if not sys.flags.safe_path and sys.path[0] == os.getcwd():  # noqa: PTH109 - pathlib may lie there too
        del sys.path[0]
except FileNotFoundError:
    pass

from nirdeploy.cli import main

main()
