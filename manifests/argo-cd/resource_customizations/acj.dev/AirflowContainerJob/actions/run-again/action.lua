-- The text names the run it follows: a second click asks for the same, and runs nothing twice.
obj.spec.shutdown = nil
obj.spec.rerun = "after " .. obj.status.dagRunId
return obj
