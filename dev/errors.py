"""How these programs give up: with one sentence that names the remedy."""


class Stop(Exception):
    """Ends the command; `__main__` prints it without a traceback."""


class CommandFailed(Stop):
    """A program ended with an error, and nobody above had an answer to it."""
