"""The API server as the measurement uses it: straight HTTP over kept connections, as the cluster's administrator.

kubectl would need more time to start than the operator for a job. Used by `resources` and by the scenes, which also
read here how many requests of each kind the API server has served.
"""

from __future__ import annotations

import json
import re
import ssl
import tempfile
from base64 import b64decode
from collections import Counter
from pathlib import Path
from typing import Any, Final, Self

import aiohttp

from tests.support.cluster import Cluster

Json = dict[str, Any]

CONNECTIONS: Final = 32

WRITES: Final = {
    'resource="airflowcontainerjobs",scope="resource",subresource="",verb="PATCH"': "PATCH resource",
    'resource="airflowcontainerjobs",scope="resource",subresource="status",verb="PATCH"': "PATCH status",
    'resource="events",scope="resource",subresource="",verb="POST"': "POST event",
    'resource="airflowcontainerjobs",scope="resource",subresource="",verb="DELETE"': "DELETE resource",
}
"""Labels of `apiserver_request_total` -> what the operator writes. The measurement itself uses other verbs, or none
of these while it counts; events come from nobody else while no pod is made."""


class ApiServer:
    """A client with the administrator's certificate. To be used with `async with`."""

    def __init__(self, cluster: Cluster) -> None:
        told = cluster.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json").stdout
        config = json.loads(told)
        server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = b64decode(server["certificate-authority-data"]).decode()
        self._server = server["server"]
        self._tls = ssl.create_default_context(cadata=authority)
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("certificate", "key")]
            for path, key in zip(paths, ("client-certificate-data", "client-key-data"), strict=True):
                path.write_bytes(b64decode(user[key]))
            self._tls.load_cert_chain(paths[0], paths[1])

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=CONNECTIONS)
        self.session = aiohttp.ClientSession(self._server, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def send(self, method: str, path: str, body: Json | None = None, *, kind: str = "application/json") -> Json:
        """Send one request; any refusal ends the measurement."""
        data = None if body is None else json.dumps(body)
        async with self.session.request(method, path, data=data, headers={"Content-Type": kind}) as response:
            text = await response.text()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path}: {response.status}: {text[:300]}")
            answer: Json = json.loads(text)
            return answer

    async def empty(self, path: str) -> None:
        """Delete all of a collection; of very many the API server deletes as many as it can within a minute."""
        for _ in range(10):
            try:
                await self.send("DELETE", path, {"gracePeriodSeconds": 0})
                return
            except RuntimeError:
                continue
        raise RuntimeError(f"{path} cannot be emptied")

    async def written(self) -> Counter[str]:
        """What has been written so far of the kinds that the operator writes."""
        async with self.session.get("/metrics") as response:
            return count_writes(await response.text())


def count_writes(metrics: str) -> Counter[str]:
    """Read the counts of `WRITES` from the API server's metrics."""
    found: Counter[str] = Counter()
    for line in re.findall(r"^apiserver_request_total\{.*", metrics, re.MULTILINE):
        for labels, name in WRITES.items():
            if labels in line:
                found[name] += int(float(line.rpartition(" ")[2]))
    return found
