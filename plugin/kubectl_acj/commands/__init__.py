"""The verbs of `kubectl acj`: each reads its words, calls what does the work, and gives back the exit code."""
