-- The run is stopped with its pod, and the job is Failed.
obj.spec.shutdown = "Stop"
return obj
