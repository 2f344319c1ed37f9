"""The Kubernetes operator of AirflowContainerJobs.

The way of the data, one module per station:

    resource --job.parse--> Job --conf.build--> conf --airflow_api.trigger--> DagRun
       ▲                                                                        │
       └-- cluster_api <-- status.derive(job, facts, now) <-- Facts <-- observer (runs), watch (pods, refusals)

`memory` gathers the facts, `controller` has each job looked at, by rank, `reconcile` decides the next step and does no
I/O, `steps` takes it, `line` says whose turn it is to ask Airflow, `shelf` which DAGs and runs are not asked for now,
`slots` how many runs are stopped at once; `handlers` is the skin towards kopf, `census` finds the resources whose end
kopf's watch has missed. The observer asks when `followed` expects an end, `tally` finds what others did by counting,
`abandoned` are the runs it ends itself. A status is a `verdict` (phase, reason, message; `reasons` lists the words,
`closing` tells why a run is to be ended), `conditions` and the `history` of runs; `events` follow from two of them.

Those who watch over the operator ask its `endpoint`: for `health`, to which `echo` adds the proof that the watch of the
resources still tells, and for `metrics`, to which `rollcall` adds how many jobs stand how. `logs` names the job in each
line.
"""

__version__ = "0.1.0"
