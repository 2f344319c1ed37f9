"""The dynamic operator: a task whose pod is described by the DAG and, over it, by the DagRun's conf.

Used in the generic DAG and in DAGs of one's own. Parsed again and again by the DAG processor, so this module imports
neither the trigger nor anything of Kubernetes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.sdk import BaseOperator, XComArg
from airflow.sdk.configuration import conf as settings
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.triggers.base import StartTriggerArgs

from dynamic_pod import contract, templates

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from dynamic_pod.worker import WorkerRun

TRIGGER: Final = "dynamic_pod.trigger.DynamicPodTrigger"

NEXT_METHOD: Final = "execute_complete"
"""Where a worker goes on after the trigger. As a rule none does, since the trigger ends the task."""

AUTHOR_KEYS: Final = tuple(key for key in contract.SCHEMAS if key not in ("retries", "owner_reference"))
"""Keys of conf that are arguments too. `retries` is Airflow's own there; an owner exists only at run time."""


class DynamicPodOperator(BaseOperator):
    """Runs a container in a pod; the DagRun's conf decides which, as far as the DAG leaves it open.

    The arguments are the keys of conf, and are its defaults: conf wins, key by key. What is written in the DAG may hold
    Airflow's templates (`{{ ds }}`) and outputs of other tasks; what comes with conf is data and never rendered. Where
    the DAG has macros or filters of its own, or other settings for templates, a worker renders them first.

    The conf's `retries` says how many more pods one try of the task may take; it has no argument, since `retries` is
    Airflow's own here: how many more tries the task gets, `retry_delay` apart, each with its own pods. A rule of
    `pod_failure_policy` that says FailJob ends both. Airflow lets only a worker say so, so one is started for that,
    if the task has Airflow's `retries`, and for nothing else.

    :param kubernetes_conn_id: Airflow's connection to the cluster; without one, the cluster Airflow runs in.
    :param deferrable: False runs the task in a worker, for an Airflow without a triggerer. By default
        `[dynamic_pod] deferrable` of Airflow's configuration says so, and True where it is silent.
    """

    template_fields: Sequence[str] = ("conf", "defaults", "kubernetes_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"conf": "json", "defaults": "json"}
    ui_color = "#dff0fa"

    def __init__(  # noqa: PLR0913 (named one by one, so that default_args, expand() and editors know them)
        self,
        *,
        docker_image_name: str | None = None,
        commands: Sequence[str] | None = None,
        arguments: Sequence[str] | None = None,
        env_vars: Mapping[str, str] | Sequence[Mapping[str, Any]] | None = None,
        env_from: Sequence[Mapping[str, Any]] | None = None,
        working_dir: str | None = None,
        image_pull_policy: str | None = None,
        container_resources: Mapping[str, Any] | None = None,
        volume_mounts: Sequence[Mapping[str, Any]] | None = None,
        container_security_context: Mapping[str, Any] | None = None,
        volumes: Sequence[Mapping[str, Any]] | None = None,
        init_containers: Sequence[Mapping[str, Any]] | None = None,
        service_account_name: str | None = None,
        automount_service_account_token: bool | None = None,
        image_pull_secrets: Sequence[Mapping[str, Any]] | None = None,
        node_selector: Mapping[str, str] | None = None,
        affinity: Mapping[str, Any] | None = None,
        tolerations: Sequence[Mapping[str, Any]] | None = None,
        topology_spread_constraints: Sequence[Mapping[str, Any]] | None = None,
        priority_class_name: str | None = None,
        runtime_class_name: str | None = None,
        schedulername: str | None = None,
        security_context: Mapping[str, Any] | None = None,
        termination_grace_period: int | None = None,
        namespace: str | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        backoff: Mapping[str, int] | None = None,
        pod_failure_policy: Mapping[str, Any] | None = None,
        active_deadline_seconds: int | None = None,
        on_finish_action: str | None = None,
        kubernetes_conn_id: str = "kubernetes_default",
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        arguments_given = locals()
        super().__init__(**kwargs)
        self.conf = "{{ dag_run.conf | tojson }}"
        self.defaults = {key: arguments_given[key] for key in AUTHOR_KEYS if arguments_given[key] is not None}
        self.kubernetes_conn_id = kubernetes_conn_id
        if deferrable is None:
            deferrable = settings.getboolean("dynamic_pod", "deferrable", fallback=True)
        self.deferrable = deferrable
        self._work: WorkerRun | None = None
        # Outputs of other tasks can only be read in a worker, and some DAGs' templates only be rendered there; it hands
        # over to the triggerer then.
        in_a_worker = any(XComArg.iter_xcom_references(self.defaults)) or templates.need_a_worker(
            self.get_dag(), self.defaults, self.kubernetes_conn_id
        )
        if deferrable and not in_a_worker:
            self.start_from_trigger = True
            self.start_trigger_args = StartTriggerArgs(TRIGGER, NEXT_METHOD, self._trigger_arguments())

    def execute(self, context: Context) -> None:
        """Run in a worker: hand over to the triggerer, or without one, run the pod from here."""
        self.conf = json.dumps(context["dag_run"].conf)  # as it is: rendering may have made something else of it
        if self.deferrable:
            from dynamic_pod.trigger import DynamicPodTrigger  # noqa: PLC0415 (not at parse time)

            trigger = DynamicPodTrigger(**self._trigger_arguments(), rendered=True)
            self.defer(trigger=trigger, method_name=NEXT_METHOD)
        self._run_here(context["ti"], json.loads(self.conf))

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> None:
        """End, in a worker, a task that failed for good although it has `retries`."""
        for key, value in event["xcoms"].items():
            context["ti"].xcom_push(key=key, value=value)
        raise AirflowFailException(event["message"])

    def on_kill(self) -> None:
        """Delete the pod when the task is stopped while this worker runs it."""
        if self._work is not None:
            self._work.stop()

    def _run_here(self, ti: RuntimeTaskInstanceProtocol, conf: Any) -> None:
        from dynamic_pod import manifest, worker  # noqa: PLC0415 (not at parse time)

        values = manifest.merge(self.defaults, conf)
        if sentence := manifest.unknown(conf, ti.dag_id):
            self.log.warning("%s", sentence)
        self._work = worker.WorkerRun(self.kubernetes_conn_id, manifest.Identity.of(ti), values, self.log)
        end = self._work.to_the_end()
        for key, value in end.xcoms().items():
            ti.xcom_push(key=key, value=value)
        if not end.succeeded:
            raise (AirflowFailException if end.final else AirflowException)(end.message)
        self.log.info("%s", end.message)

    def _trigger_arguments(self) -> dict[str, Any]:
        return {
            "conf": self.conf,
            "defaults": self.defaults,
            "kubernetes_conn_id": self.kubernetes_conn_id,
            "retried": bool(self.retries),
        }
