"""plainly: nirdeploy's errors as a test shows them: at the line of the test, without what nirdeploy did meanwhile."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from nirdeploy.errors import InternalError, NirdeployError, PortBusy

Given = ParamSpec("Given")
Made = TypeVar("Made")


def plainly(called: Callable[Given, Made]) -> Callable[Given, Made]:
    """``called``, whose errors name options of pytest, and have no frames of ours but where they are bugs."""

    @functools.wraps(called)
    def caller(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        __tracebackhide__ = True
        try:
            return called(*args, **kwargs)
        except InternalError:
            raise
        except NirdeployError as error:
            if isinstance(error, PortBusy):
                error.hint = "close that program and try again, or wait longer for it: --nir-wait=SECONDS"
            raise error.with_traceback(None) from None

    return caller
