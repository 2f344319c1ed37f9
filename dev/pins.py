"""The versions of everything that is not a Python package (those are in requirements/) or a Go module (go/*/go.mod)."""

from typing import Final

KIND: Final = "v0.33.0"
KUBERNETES: Final = "v1.34.4"
"""Of the node image made here."""

NODE_IMAGE: Final = "kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d"
"""The same minor version as published for this release of kind."""

PYTHON_IMAGE: Final = "python:3.12-slim"
BUSYBOX_IMAGE: Final = "busybox:1.35"
POSTGRES_IMAGE: Final = "postgres:17"
"""As manifests/overlays/postgres has it. The one made here of Debian packages is the release of `DEBIAN`: 15."""


DEBIAN: Final = "bookworm"
"""The release that images made here consist of: its systemd still boots where cgroup v1 is all there is."""
