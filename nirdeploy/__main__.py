"""``python -m nirdeploy``."""

import os
import sys

# -m puts the current folder first: there lie the user's data, and no package of ours or that we need.
if not sys.flags.safe_path and sys.path[0] == os.getcwd():  # noqa: PTH109 - pathlib may lie there too
    del sys.path[0]

from nirdeploy.cli import main

main()
