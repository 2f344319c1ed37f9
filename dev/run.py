"""Runs programs. All they say goes to the log; a failure becomes one sentence that names it."""

import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from dev import paths
from dev.errors import CommandFailed, Stop

MANAGER: Final = "airflow-container-job-dev"
"""Field manager of what is applied."""

_children: Final[set[subprocess.Popen[str]]] = set()
_stopping: Final = threading.Event()
_log_lock: Final = threading.Lock()


def run(  # noqa: PLR0913 - the options of subprocess that are in use
    *command: str | Path,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    answer_within: float | None = None,
    on_line: Callable[[str], None] = lambda _: None,
) -> str:
    """Run a program to its end and return its standard output.

    It is killed after `timeout` seconds, or if it has said nothing at all `answer_within` seconds after its start.
    `on_line` sees each line of either output as it comes.
    """
    words = [str(word) for word in command]
    if _stopping.is_set():
        raise Stop("Interrupted.")
    try:
        child = subprocess.Popen(
            words,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise _not_started(words[0], error) from None
    _children.add(child)
    limits = [threading.Timer(seconds, child.kill) for seconds in (timeout, answer_within) if seconds]

    def heard(line: str) -> None:
        if answer_within:
            limits[-1].cancel()
        on_line(line)

    output: list[str] = []
    errors: list[str] = []
    for limit in limits:
        limit.start()
    try:
        _talk(child, stdin, output, errors, heard)
    finally:
        for limit in limits:
            limit.cancel()
        if child.poll() is None:
            child.terminate()
        _children.discard(child)
    _write_log(words, child.returncode, output, errors)
    if child.returncode:
        raise CommandFailed(_sentence(words, child.returncode, output + errors))
    return "".join(output)


def _not_started(program: str, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError):
        return Stop(f"The program {program} is missing: install it, then run this again.")
    if error.errno == errno.ENOEXEC:
        return Stop(f"{shutil.which(program)} is no program for this machine: remove it, or install one that is.")
    return error


def _talk(
    child: subprocess.Popen[str], stdin: str | None, output: list[str], errors: list[str], heard: Callable[[str], None]
) -> None:
    def read(stream: IO[str], lines: list[str]) -> None:
        for line in stream:
            lines.append(line)
            heard(line.rstrip())

    assert child.stdout  # noqa: S101 - for the type checker: both are pipes
    assert child.stderr  # noqa: S101
    reader = threading.Thread(target=read, args=(child.stderr, errors), daemon=True)
    reader.start()
    if child.stdin:
        with suppress(BrokenPipeError):  # it ended without reading; its exit code tells why
            child.stdin.write(stdin or "")
            child.stdin.close()
    read(child.stdout, output)
    reader.join()
    child.wait()


def _write_log(words: list[str], code: int, output: list[str], errors: list[str]) -> None:
    with _log_lock, paths.LOG.open("a") as log:
        # Standard output only of what failed: a Secret that was read must not end up in the log.
        said = "".join(errors + (output if code else []))
        log.write(f"$ {' '.join(words)[:500]}\n{said}[exit code {code}]\n")


def _sentence(words: list[str], code: int, lines: list[str]) -> str:
    said = [line.strip() for line in lines if line.strip()]
    if any("no space left on device" in line.lower() for line in said):
        return f"The disk is full: make room below {paths.CACHE} or in Docker's data, then run this again."
    last = said[-1] if said else f"exit code {code}"
    return f"`{' '.join(words[:4])}` failed: {last} (everything it said is in {paths.LOG})"


def succeeds(*command: str | Path, timeout: float = 20, env: dict[str, str] | None = None) -> bool:
    """Whether a program is there and ends well in time."""
    if not shutil.which(str(command[0])):
        return False
    try:
        run(*command, timeout=timeout, env=env)
    except CommandFailed:
        return False
    return True


def docker(*arguments: str | Path, stdin: str | None = None, timeout: float | None = None) -> str:
    return run("docker", *arguments, stdin=stdin, timeout=timeout)


def kubectl(*arguments: str | Path, stdin: str | None = None) -> str:
    return run("kubectl", *arguments, stdin=stdin)


def apply(manifests: str, *options: str) -> None:
    owner = ("--force-conflicts", f"--field-manager={MANAGER}")
    kubectl("apply", "--server-side", *owner, *options, "--filename=-", stdin=manifests)


@contextmanager
def meanwhile() -> Iterator[Executor]:
    """Run things in the background of a block; if the block fails, their programs are ended, not waited for."""
    with ThreadPoolExecutor() as pool:
        try:
            yield pool
        except BaseException:
            stop()
            raise


def stop() -> None:
    """Start no more programs, and end those that run."""
    _stopping.set()
    for child in list(_children):
        child.terminate()
