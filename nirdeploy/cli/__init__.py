"""The command line: one module per command, in :mod:`nirdeploy.cli.app` its table of contents.

Results go to stdout, everything else to stderr; only :mod:`nirdeploy.cli.ui` writes.
"""

from __future__ import annotations

from nirdeploy.cli.app import main

__all__ = ["main"]
