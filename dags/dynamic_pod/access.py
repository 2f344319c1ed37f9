"""How an API server is reached: its address, TLS, and credentials that are renewed while they are in use.

Made for `connection`, used by `api`. The client library reads kubeconfigs and runs their exec plugins; it is imported
for them only, since it loads hundreds of models (docs/decisions/0002). Within a cluster two files are all it takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from kubernetes_asyncio.client import Configuration

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds what its ServiceAccount needs."""

RENEW_SECONDS: Final = 60
"""How old credentials get whose end nobody tells."""

RETRY_SECONDS: Final = 10
"""Between two attempts to renew credentials, at least: each may run a program."""

PLUGIN_SECONDS: Final = 30
"""How long a kubeconfig's exec plugin may take."""


class NoCredentials(Exception):
    """There are no credentials at the moment, for a reason that waiting may mend."""


class Credentials(NamedTuple):
    """What authorizes a request: the header's value, None where none is needed, and for how many seconds it is good."""

    header: str | None
    seconds: float


class Renewed:
    """Credentials that are loaded anew once they are old."""

    def __init__(self, first: Credentials, load: Callable[[], Awaitable[Credentials]]) -> None:
        self._load = load
        self._loading = asyncio.Lock()
        self._trouble = ""
        self._take(first)

    async def header(self) -> str | None:
        """The header's value that authorizes a request now; raises NoCredentials."""
        async with self._loading:
            if asyncio.get_running_loop().time() >= self._due:
                await self._renew()
        if self._trouble:
            raise NoCredentials(self._trouble)
        return self._header

    async def _renew(self) -> None:
        try:
            self._take(await self._load())
            self._trouble = ""
        except Exception as error:  # noqa: BLE001 (whatever a file or a plugin may do, all pods wait for it)
            self._trouble = f"the credentials could not be renewed: {type(error).__name__}: {error}"
            self._take(Credentials(None, RETRY_SECONDS))

    def _take(self, credentials: Credentials) -> None:
        header, seconds = credentials
        self._header = header and header.strip()  # a file may end with a line break, a header must not
        self._due = asyncio.get_running_loop().time() + seconds


class Access(NamedTuple):
    """All that a request to an API server takes."""

    host: str
    tls: ssl.SSLContext
    credentials: Renewed | None = None
    proxy: str | None = None
    server_name: str | None = None
    """The name in the server's certificate, where it is not that of the host."""


async def of_own_cluster() -> Access:
    """The way into the cluster that this process runs in; raises OSError where its account's files are missing."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    tls = ssl.create_default_context(cafile=ACCOUNT / "ca.crt")
    return Access(f"https://{host}:{port}", tls, Renewed(await _account_token(), _account_token))


async def of_kubeconfig(source: dict[str, Any] | str | None, context: str | None) -> Access:
    """The way that a kubeconfig tells: given as such, by its path, or None for the default one.

    Raises NoCredentials or what the client library raises.
    """
    configuration, credentials = await asyncio.to_thread(_load, source, context)
    tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        trust_anybody(tls)
    _present_certificate(tls, configuration)

    async def load() -> Credentials:
        newer, credentials = await asyncio.to_thread(_load, source, context)
        _present_certificate(tls, newer)
        return credentials

    renewed = Renewed(credentials, load)
    return Access(str(configuration.host), tls, renewed, configuration.proxy, configuration.tls_server_name)


def trust_anybody(tls: ssl.SSLContext) -> None:
    """Do not verify whom we speak to."""
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE


async def _account_token() -> Credentials:
    token = await asyncio.to_thread((ACCOUNT / "token").read_text)
    return Credentials(f"Bearer {token}", RENEW_SECONDS)


def _present_certificate(tls: ssl.SSLContext, configuration: Configuration) -> None:
    """Show the client's certificate on connections to come, where there is one: exec plugins renew those, too."""
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)


class _Loop(asyncio.SelectorEventLoop):
    """Knows the programs it has started: the client library hands out nothing by which a plugin could be ended."""

    def __init__(self) -> None:
        super().__init__()
        self._programs: list[asyncio.SubprocessTransport] = []

    async def subprocess_exec(self, *args: Any, **options: Any) -> tuple[asyncio.SubprocessTransport, Any]:
        """Start a program, with a process group of its own: many a plugin is a script that starts another one."""
        started = await super().subprocess_exec(*args, **options, start_new_session=True)
        self._programs.append(started[0])
        return started

    async def kill_programs(self) -> None:
        """End them all, and what they have started."""
        for program in self._programs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.get_pid(), signal.SIGKILL)
            program.close()
            while program.get_returncode() is None:  # noqa: ASYNC110 (its exit is told to the client library only)
                await asyncio.sleep(0.01)


def _load(source: dict[str, Any] | str | None, context: str | None) -> tuple[Configuration, Credentials]:
    """Read a kubeconfig and run its exec plugin, if any. Waits for both, so it runs in a thread, with its own loop."""
    from kubernetes_asyncio import config  # noqa: PLC0415 (for kubeconfigs only)
    from kubernetes_asyncio.client import Configuration  # noqa: PLC0415

    configuration = Configuration()
    load = config.load_kube_config_from_dict if isinstance(source, dict) else config.load_kube_config
    loop = _Loop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            loader = runner.run(asyncio.wait_for(load(source, context, configuration), PLUGIN_SECONDS))
        except TimeoutError:
            runner.run(loop.kill_programs())
            raise NoCredentials(f"the kubeconfig's credentials did not come within {PLUGIN_SECONDS} s") from None
    ends: datetime | None = getattr(loader, "exec_plugin_expiry", None)
    left = max(RETRY_SECONDS, (ends - datetime.now(UTC)).total_seconds() / 2) if ends else RENEW_SECONDS
    return configuration, Credentials(configuration.api_key.get("BearerToken"), left)
