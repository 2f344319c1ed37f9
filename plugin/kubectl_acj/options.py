"""What all commands understand: which cluster, which namespace, which job, in which format; and their completion."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from airflow_container_job.job import GROUP, KIND, PLURAL
from kubectl_acj import output
from kubectl_acj.cluster import Cluster
from kubectl_acj.kubeconfig import contexts

Function = TypeVar("Function", bound=Callable[..., Any])

TYPES: Final = frozenset({"acj", PLURAL, KIND.lower(), f"{PLURAL}.{GROUP}", f"{KIND.lower()}.{GROUP}"})
"""What may stand before a name and a slash, so that `list -o name` can be handed to another command."""


class JobName(click.ParamType[str]):
    """The name of a job, with or without its type before it."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take the type off."""
        kind, slash, name = str(value).rpartition("/")
        if slash and kind.lower() not in TYPES:
            self.fail(f'"{kind}" is no type of ours; say the name alone, or acj/{name}', param, ctx)
        if not name:
            self.fail("the name is missing", param, ctx)
        return name

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the jobs that are there, with their phases."""
        already = set(ctx.params.get(param.name or "") or ()) if param.nargs != 1 else set()
        return [
            CompletionItem(job["metadata"]["name"], help=(job.get("status") or {}).get("phase"))
            for job in _connect(ctx).jobs(everywhere=False)
            if job["metadata"]["name"].startswith(incomplete) and job["metadata"]["name"] not in already
        ]


class Duration(click.ParamType[float]):
    """A length of time as kubectl takes it, such as 90s, 5m or 1h30m; in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", value)
        if not value or not found:
            self.fail(f'"{value}" is not a length of time such as 90s, 5m or 1h30m', param, ctx)
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return float(hours * 3600 + minutes * 60 + seconds)


def _complete_namespaces(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in _connect(ctx).namespaces() if name.startswith(incomplete)]


def _complete_contexts(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in contexts(_said(ctx, "kubeconfig")) if name.startswith(incomplete)]


def which_cluster(function: Function) -> Function:
    """Add kubectl's options that choose a cluster and a namespace."""
    for option in (
        click.option("--kubeconfig", type=click.Path(), help="The kubeconfig file to use."),
        click.option("--context", shell_complete=_complete_contexts, help="The context of the kubeconfig to use."),
        click.option(
            "-n", "--namespace", shell_complete=_complete_namespaces, help="The namespace; the context's unless said."
        ),
    ):
        function = option(function)
    return function


def with_cluster(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand the chosen cluster to a command as its first argument."""

    @which_cluster
    @functools.wraps(function)
    def connected(*arguments: Any, **values: Any) -> Any:
        for name in ("kubeconfig", "context", "namespace"):
            values.pop(name)
        return function(_connect(click.get_current_context()), *arguments, **values)

    return connected


job_name: Final = click.argument("name", type=JobName())
job_names: Final = click.argument("names", metavar="NAME...", type=JobName(), nargs=-1, required=True)
form: Final = click.option(
    "-o", "--output", "form", type=click.Choice(output.FORMATS), help="Write the resource so, instead of a sentence."
)
timeout: Final = click.option(
    "--timeout", type=Duration(), help="Wait so long at most, such as 90s or 1h30m; without end unless said."
)


def _connect(ctx: click.Context) -> Cluster:
    return Cluster.connect(*(_said(ctx, name) for name in ("kubeconfig", "context", "namespace")))


def _said(ctx: click.Context, name: str) -> str | None:
    """An option's value, whether it stands before or after the command's word."""
    value = ctx.params.get(name)
    if value is None and ctx.parent is not None:
        return _said(ctx.parent, name)
    return value
