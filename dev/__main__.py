"""`python3 -m dev COMMAND`: see the Makefile for what each is for, and up.py for what they do.

An error that has a remedy is one sentence and exit code 1; an interrupt ends the programs that were started, too.
"""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from dev import demo, paths, progress, run, settings, status, up, venv
from dev.errors import Stop

_CHANGING: Final[Mapping[str, Callable[[], None]]] = {
    "up": up.up,
    "down": up.down,
    "clean": up.clean,
    "demo": demo.demo,
}
_OTHER: Final[Mapping[str, Callable[[], None]]] = {"status": status.status, "env": status.env, "venv": venv.venv}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m dev", description="A kind cluster with Airflow and the operator.")
    parser.add_argument("command", choices=[*_CHANGING, *_OTHER])
    command = parser.parse_args().command
    signal.signal(signal.SIGTERM, _terminated)
    try:
        _prepare()
        progress.start()
        if command in _CHANGING:
            with paths.lock():
                paths.LOG.unlink(missing_ok=True)
                _CHANGING[command]()
        else:
            _OTHER[command]()
    except Stop as stop:
        _give_up(str(stop))
    except KeyboardInterrupt:
        _give_up("Interrupted: `make up` goes on from here, `make clean` removes what was begun.")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _give_up(f"The disk is full: make room below {paths.CACHE}, then run this again.")


def _prepare() -> None:
    paths.CACHE.mkdir(parents=True, exist_ok=True)
    os.environ["PATH"] = f"{paths.BIN}{os.pathsep}{os.environ['PATH']}"
    if not settings.current_cluster():
        os.environ["KUBECONFIG"] = str(paths.KUBECONFIG)


def _terminated(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _give_up(sentence: str) -> NoReturn:
    progress.say(sentence)
    run.stop()
    sys.stdout.flush()
    os._exit(1)  # threads that wait for programs just ended have nothing more to say


if __name__ == "__main__":
    main()
