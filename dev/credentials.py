"""Passwords and keys: generated once, kept in Secrets of the cluster and nowhere else.

`airflow-users` and `airflow-keys` are Airflow's, as is `airflow-database` where that is PostgreSQL;
`airflow-credentials` is what the operator signs in with.
"""

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Final

from dev.run import apply, kubectl

ADMIN: Final = "admin"
_OPERATOR: Final = "operator"


def ensure() -> None:
    """Generate what is missing; what the operator signs in with always follows what Airflow knows."""
    users = read("airflow", "airflow-users")
    if not users:
        passwords = {user: secrets.token_urlsafe(15) for user in (ADMIN, _OPERATOR)}
        users = {**passwords, "passwords.json": json.dumps(passwords)}
        _write("airflow", "airflow-users", users)
    keys = read("airflow", "airflow-keys")
    wanted = {
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(64),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
    } | keys
    if wanted != keys:
        _write("airflow", "airflow-keys", wanted)
    if not read("airflow", "airflow-database"):
        password = secrets.token_urlsafe(15)
        url = f"postgresql+psycopg2://airflow:{password}@postgres/airflow"
        _write("airflow", "airflow-database", {"password": password, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url})
    credentials = {"username": _OPERATOR, "password": users[_OPERATOR]}
    if read("airflow-container-job", "airflow-credentials") != credentials:
        _write("airflow-container-job", "airflow-credentials", credentials, "kubernetes.io/basic-auth")


def read(namespace: str, name: str) -> dict[str, str]:
    """What a Secret holds; nothing when there is none."""
    found = kubectl("get", "secret", name, f"--namespace={namespace}", "--ignore-not-found", "--output=json")
    data = json.loads(found)["data"] if found else {}
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def _write(namespace: str, name: str, data: Mapping[str, str], kind: str = "Opaque") -> None:
    metadata = {"name": name, "namespace": namespace}
    apply(json.dumps({"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "stringData": data}))
