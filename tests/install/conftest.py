"""The ways to install, as docs/how-to/install.md tells them."""

from __future__ import annotations

import pytest

from tests.support.helm import Helm
from tests.support.real import namespace

__all__ = ["namespace"]


@pytest.fixture(scope="session")
def helm() -> Helm:
    return Helm()
