-- A new run starts from the beginning.
obj.spec.suspend = false
return obj
