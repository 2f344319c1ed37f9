-- The run is stopped with its pod.
obj.spec.suspend = true
return obj
