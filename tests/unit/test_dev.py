"""What brings everything up, as far as it can be judged without a cluster."""

from __future__ import annotations

import pytest

from dev import images


@pytest.mark.parametrize(
    ("version", "options"),
    [
        ("1.41 linux/amd64", []),
        ("1.47 linux/arm64", []),
        ("1.48 linux/amd64", ["--platform=linux/amd64"]),
        ("1.52 linux/arm64", ["--platform=linux/arm64"]),
        ("2.0 linux/amd64", ["--platform=linux/amd64"]),
    ],
)
def test_one_platform_is_saved_where_docker_can_tell_them_apart(version: str, options: list[str]) -> None:
    """An image that was pulled names platforms that were not; an older Docker would refuse the option."""
    assert images._one_platform(version) == options
