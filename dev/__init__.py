"""Everything on one machine: a kind cluster with Airflow and the operator in it. `python3 -m dev COMMAND`.

    __main__      the commands, and how an error becomes one sentence
    up            the order of things: what waits for what, and what runs meanwhile
      machine     Debian packages, disk space, ports
      engine      the Docker engine: the one that answers, or a private one (engine_cleanup: what that leaves behind)
      binaries    Go programs, compiled from the pins in go/
      node_image  kind's node image: pulled, or made of Debian packages (debian) and those programs
      cluster     the kind cluster
      images      our own images, built on a Python base image: pulled, or made
      install     manifests and Secrets applied, and waited for
    demo          the examples, run before one's eyes

Below them: `settings` (what the caller chose), `pins` (versions), `paths` (where things are kept), `run` (programs),
`progress` (what is said meanwhile), `errors`. Standard library only: nothing has to be installed to start.
"""
