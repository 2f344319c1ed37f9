"""The operator's settings: read once from the environment, prefix `ACJ_`, then handed on."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, HttpUrl, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dynamic_pod import contract


class Settings(BaseSettings):
    """Every knob of the operator. A wrong value ends the start with a message that names the variable."""

    model_config = SettingsConfigDict(env_prefix="ACJ_", frozen=True, extra="forbid", use_attribute_docstrings=True)

    airflow_url: HttpUrl
    """Where Airflow's API server answers, without `/api/v2`."""

    airflow_ui_url: HttpUrl | None = None
    """Base of the links to runs in `.status.dagRunUrl`, as people reach Airflow; none given means `ACJ_AIRFLOW_URL`."""

    airflow_credentials: Path
    """Folder with the files `username` and `password`: a mounted Secret of type kubernetes.io/basic-auth."""

    airflow_timeout_seconds: Annotated[float, Field(gt=0)] = 30
    """How long one request to Airflow may take."""

    dag_id: str = contract.DAG_ID
    """The generic DAG."""

    namespaces: Annotated[frozenset[str], NoDecode] = frozenset()
    """Namespaces whose resources are served, separated by commas; none given means all."""

    max_in_flight: Annotated[int, Field(ge=1)] = 1000
    """Runs that Airflow has at once, as many as its triggerers take (`[triggerer] capacity` each); the rest waits."""

    max_in_flight_per_namespace: Annotated[int, Field(ge=1)] | None = None
    """The same for each namespace; none given means no limit of its own."""

    sweep_seconds: Annotated[float, Field(gt=0)] = 60
    """How often live runs are counted, and listed when one is missing or too many; ends are seen long before."""

    deletion_deadline_seconds: Annotated[float, Field(gt=0)] = 60
    """How long a deleted resource waits for its run to stop before it is let go all the same."""

    listen: str = "0.0.0.0:8080"
    """Address and port at which the operator answers `/livez`, `/readyz` and `/metrics`; `[::]:8080` with IPv6 only."""

    @field_validator("namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("listen")
    @classmethod
    def _have_host_and_port(cls, value: str) -> str:
        if (
            not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+):[0-9]{1,5}", value)
            or int(value.rpartition(":")[2]) > 65535
        ):
            raise ValueError("give an address and a port, such as 0.0.0.0:8080 or [::]:8080")
        return value

    @property
    def listen_address(self) -> tuple[str, int]:
        """Host and port of `listen`, as sockets take them."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def airflow_base(self) -> str:
        """The API server's address without a trailing slash."""
        return str(self.airflow_url).rstrip("/")

    @property
    def ui_base(self) -> str:
        """The address for links, without a trailing slash."""
        return str(self.airflow_ui_url or self.airflow_url).rstrip("/")
