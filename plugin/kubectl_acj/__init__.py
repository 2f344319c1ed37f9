"""`kubectl acj`: AirflowContainerJobs from the keyboard and from scripts.

The way of a command, one module per station:

    command line --options--> Cluster --cluster, airflow--> JSON --job, story--> what it means --output--> text

`cli` is the entrance, and `commands` has one module per verb or two. `kubeconfig` finds the cluster, `cluster` alone
talks to it, and `airflow` alone to Airflow; `job` and `story` are pure; `watching` waits for one of several things to
happen, `streaming` shows the logs of pods while they run. The words of the resource are those of the operator's pure
modules, imported.
"""
