"""``python -m nirdeploy``."""

from __future__ import annotations

from nirdeploy.cli import main

if __name__ == "__main__":
    main()
