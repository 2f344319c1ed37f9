"""What can go wrong, as one family. The class says who has to act, and so whether trying again helps.

OperatorError
├── InvalidJob            the resource cannot be understood: a person changes it
├── AirflowError          talking to Airflow failed
│   ├── AirflowUnreachable    no answer, or 5xx/429 whatever is asked: try again, all jobs together (gate.Gate)
│   ├── AirflowDenied         401/403 with a fresh token: the same, an administrator acts
│   ├── DagUnavailable        no such DAG, or one that cannot run: try again, a DAG author acts
│   │   ├── DagBroken         500 for whatever is of this DAG alone: the same
│   │   └── DagDenied         403 for what is of this DAG: the same, an administrator acts
│   ├── RunRefused            400/422 for this conf: a person changes the spec
│   └── RunExists             409: look at the run, adopt it if it is ours
└── ClusterError          talking to the API server failed
    ├── Conflict              409: a newer version of the object is on its way to us
    └── Gone                  404: the object is no longer there
"""


class OperatorError(Exception):
    """Base of all errors of this package."""


class InvalidJob(OperatorError):
    """The resource's content is not what the CRD promises."""


class AirflowError(OperatorError):
    """Talking to Airflow failed. `reason` is the word shown in `.status.reason` meanwhile."""

    reason = "AirflowError"


class AirflowUnreachable(AirflowError):
    """Airflow gave no usable answer."""

    reason = "AirflowUnreachable"


class AirflowDenied(AirflowError):
    """Airflow does not let the operator's account do this."""

    reason = "AirflowDenied"


class DagUnavailable(AirflowError):
    """The DAG does not exist, does not import, or does not allow manual runs."""

    reason = "DagMissing"


class DagBroken(DagUnavailable):
    """Airflow has the DAG, and fails wherever it has to read it; it answers what is not of this DAG."""

    reason = "DagBroken"


class DagDenied(DagUnavailable):
    """Airflow does not let the operator's account see or run this DAG; of one there is not, it may say the same."""

    reason = "DagDenied"


class RunRefused(AirflowError):
    """Airflow refuses this conf; the message is Airflow's own."""

    reason = "InvalidSpec"


class RunExists(AirflowError):
    """A DagRun of this id exists already."""


class ClusterError(OperatorError):
    """The Kubernetes API server gave no usable answer."""


class Conflict(ClusterError):
    """The object changed since it was read."""


class Gone(ClusterError):
    """The object does not exist (any more)."""
