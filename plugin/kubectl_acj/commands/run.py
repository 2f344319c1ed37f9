"""`run`: make a job of an image and a command, show its log, and end as the job ends."""

from __future__ import annotations

from contextlib import suppress

import click

from kubectl_acj import job as resource
from kubectl_acj import options, output
from kubectl_acj.cluster import Cluster
from kubectl_acj.commands.logs import show_missing
from kubectl_acj.errors import ExitCode, NoSuchJob, PluginError
from kubectl_acj.job import Json
from kubectl_acj.streaming import follow
from kubectl_acj.watching import Deadline

EXAMPLES = """\b
Examples:
  # Run a command, see its log, and have its outcome as exit code
  kubectl acj run hello --image=busybox:1.35 -- echo good morning

\b
  # The same with the image's entrypoint replaced, variables set, and nothing left of it
  kubectl acj run hello --image=busybox:1.35 --env=WHO=world --rm --command -- sh -c 'echo hello $WHO'

\b
  # Start it, and do not wait
  kubectl acj run hello --image=busybox:1.35 --detach -- sleep 60

\b
  # Write a manifest to begin with
  kubectl acj run hello --image=busybox:1.35 --dry-run=client -o yaml -- echo hello
"""


def _variables(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[Json]:
    for value in values:
        if not value.partition("=")[0] or "=" not in value:
            raise click.BadParameter(f'"{value}" is not of the form NAME=VALUE')
    return [dict(zip(("name", "value"), value.split("=", 1), strict=True)) for value in values]


class _Run(click.Command):
    """Takes what stands behind -- for words of the container, and never for the name that was forgotten before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        place = args.index("--") if "--" in args else len(args)
        rest = super().parse_args(ctx, args[:place])
        ctx.params["words"] = (*(ctx.params.get("words") or ()), *args[place + 1 :])
        return rest


@click.command(cls=_Run, epilog=EXAMPLES, short_help="Run an image, show the log, end as the job ends.")
@options.job_name
@click.argument("words", metavar="[-- ARGS...]", nargs=-1, type=click.UNPROCESSED)
@click.option("--image", required=True, help="The image to run.")
@click.option(
    "--env", "env", multiple=True, metavar="NAME=VALUE", callback=_variables, help="A variable; again for more."
)
@click.option("--command", is_flag=True, help="Put what stands behind -- in place of the image's entrypoint.")
@click.option("-d", "--detach", is_flag=True, help="Only make the job; do not wait for it.")
@click.option("--rm", is_flag=True, help="Delete the job when this command ends, however that is.")
@click.option(
    "--dry-run",
    type=click.Choice(["client", "server"]),
    help="Only show the resource: as it would be sent, or as the server would take it.",
)
@options.timeout
@options.form
@options.with_cluster
def run(  # noqa: PLR0913 - one for each option
    cluster: Cluster,
    name: str,
    *,
    words: tuple[str, ...],
    image: str,
    env: list[Json],
    command: bool,
    detach: bool,
    rm: bool,
    dry_run: str | None,
    timeout: float | None,
    form: str | None,
) -> ExitCode:
    """Make a job of an image and show its log until it is over.

    As with kubectl run, what stands behind -- are arguments of the image's entrypoint, or with --command a command in
    place of it. The log goes to standard output, what else happens to standard error. The exit code is 0 when the job
    succeeded, 1 when it failed and 3 when the time of --timeout was over; the job goes on then, as it does after
    Ctrl-C, unless --rm is given.
    """
    if (detach or dry_run) and (rm or timeout is not None):
        raise click.UsageError("--rm and --timeout are about waiting; leave them out with --detach and --dry-run")
    if form and not (detach or dry_run):
        raise click.UsageError("-o needs --detach or --dry-run: standard output is the job's log")
    spec = {"image": image, "command" if command else "args": list(words), "env": env}
    job = resource.manifest(name, cluster.namespace, {field: value for field, value in spec.items() if value})
    if dry_run != "client":
        job = cluster.create(job, dry_run=dry_run == "server")
    if detach or dry_run:
        output.report([job], form, lambda _: f"created ({dry_run} dry run)" if dry_run else "created")
        return ExitCode.DONE
    try:
        return _to_the_end(cluster, name, timeout, goes_on=not rm)
    finally:
        if rm:
            with suppress(NoSuchJob):  # somebody else was faster
                cluster.delete(name)


def _to_the_end(cluster: Cluster, name: str, timeout: float | None, *, goes_on: bool) -> ExitCode:
    hint = f"{name} goes on; `kubectl acj stop {name} -n {cluster.namespace}` ends it" if goes_on else "it is deleted"
    try:
        job, shown = follow(cluster, name, Deadline(timeout))
    except NoSuchJob:
        raise
    except PluginError as error:
        raise type(error)(f"{error.message}; {hint}") from error
    except (KeyboardInterrupt, SystemExit):  # Ctrl-C, or another signal that ends us
        output.tell(hint)
        raise
    try:
        show_missing(cluster, job, shown)
    except PluginError as error:  # the exit code is the job's
        output.tell(error.message)
    output.tell(f"{name}: {resource.state(job)}")
    return ExitCode.DONE if resource.succeeded(job) else ExitCode.FAILED
