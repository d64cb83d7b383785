"""``python -m nirdeploy``."""

from nirdeploy.cli import main

main()
