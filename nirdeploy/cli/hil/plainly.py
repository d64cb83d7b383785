"""plainly: nirdeploy's errors as a test shows them: at the line of the test, without what nirdeploy did meanwhile."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from nirdeploy.errors import InternalError, NirdeployError

Given = ParamSpec("Given")
Made = TypeVar("Made")

_OPTIONS = (  # of the command line, and what pytest has in their place
    (r"wait for it: --wait SECONDS \(NIRDEPLOY_WAIT\)", "wait longer for it: --nir-wait=SECONDS"),
    (r"--boards (?='?(/|[A-Z]:))", "--nir-boards="),
    (r"--boards\b", "--nir-boards"),
    (r"run (the|its) integer model \(--port sim\)", "run the integer model (nirdeploy.simulate)"),
)


def worded(error: NirdeployError) -> NirdeployError:
    """The error, whose hint names options of pytest."""
    for option, own in _OPTIONS:
        error.hint = re.sub(rf"(?<![\w-]){option}", own, error.hint)
    return error


def said(error: NirdeployError) -> str:
    """It in one paragraph, where no exception shows it."""
    return f"error[{error.code}]: {worded(error)}"


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
            raise worded(error).with_traceback(None) from None

    return caller
