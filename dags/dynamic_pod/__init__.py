"""Run the pod that a DagRun's `conf` describes, from Airflow's triggerer.

The way of the data, one module per station:

    conf --contract--> names --manifest.build--> pod manifest --runner.run--> pod --outcome--> XComs
                                                     ▲
        operator.DynamicPodOperator ──▶ trigger.DynamicPodTrigger (or a worker, the same runner)

`contract` needs nothing but the standard library: the Kubernetes operator imports it too, so that both sides of `conf`
read one declaration.
"""
