"""The Kubernetes operator of AirflowContainerJobs.

The way of the data, one module per station:

    resource --job.parse--> Job --conf.build--> conf --airflow_api.trigger--> DagRun
       ▲                                                                        │
       └-- cluster_api <-- status.derive(job, facts, now) <-- Facts <-- observer (runs), podwatch (pods)

`reconcile` decides the next step and does no I/O; `controller` takes that step; `handlers` is the skin towards kopf.
"""

__version__ = "0.1.0"
