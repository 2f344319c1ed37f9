"""How a command ends: the exit codes, and the errors that lead to them.

`cli` shows an error as one sentence, and exits with its class's code.
"""

from __future__ import annotations

from enum import IntEnum

import click


class ExitCode(IntEnum):
    """What a script learns from a command. 2, a wrong command line, is click's own; above 128, it is a signal's."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    TIMED_OUT = 3
    REFUSED = 4
    UNREAD = 141
    INTERRUPTED = 130


class PluginError(click.ClickException):
    """A command could not do what it was asked; the message says why, and the remedy where there is one."""

    exit_code = ExitCode.REFUSED


class NoSuchJob(PluginError):
    """The resource does not exist, or no longer."""


class TimedOut(PluginError):
    """What was waited for has not happened in time."""

    exit_code = ExitCode.TIMED_OUT
