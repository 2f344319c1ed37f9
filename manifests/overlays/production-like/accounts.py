"""The users of an Airflow with the FAB auth manager, and the role that the operator signs in with.

Run where Airflow's settings are, with the users' passwords below /etc/airflow-users. Run again, it adds what is
missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

DAGS: Final = ("container_job", "primes")
"""The DAGs that resources may start: the generic one, and those that they name in `dagId`."""

ROLE: Final = "Container jobs"
RIGHTS: Final = (
    # Which DAGs: to start or to stop a run counts as editing its DAG.
    *((action, f"DAG:{dag}") for dag in DAGS for action in ("can_read", "can_edit")),
    # What of them.
    ("can_create", "DAG Runs"),
    ("can_read", "DAG Runs"),
    ("can_edit", "DAG Runs"),
    ("can_read", "Task Instances"),
    ("can_read", "XComs"),
)
"""All that the operator asks Airflow for; no other DAG, and neither connections, variables, configuration nor logs."""

ROLES: Final = {"admin": "Admin", "operator": ROLE}
"""User -> role. The operator comes last: its presence tells the other parts of Airflow that all is set up."""

with get_application_builder() as builder:
    security = builder.sm
    security.bulk_sync_roles([{"role": ROLE, "perms": RIGHTS}])
    for user, role in ROLES.items():
        if not security.find_user(user):
            password = Path("/etc/airflow-users", user).read_text()
            email = f"{user}@airflow.invalid"
            security.add_user(user, user, "", email, security.find_role(role), password)
