"""Run the pod that a DagRun's `conf` describes, from Airflow's triggerer.

The way of the data, one module per station:

    conf --contract--> names --manifest.build--> pod manifest --runner.run--> pod --outcome--> XComs
                                                     ▲
        operator.DynamicPodOperator ──▶ trigger.DynamicPodTrigger (or a worker, the same runner)

Whether another pod follows one that ended, and when, says `policy`. `contract`, `outcome`, `policy` and what they are
made of need nothing but the standard library: the Kubernetes operator imports them too, so that both sides read one
declaration and judge a pod alike.
"""
