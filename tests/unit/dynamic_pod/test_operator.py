"""The operator as a DAG author sees it, and what Airflow's scheduler and triggerer make of it."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.jobs.triggerer_job_runner import TriggerRunner
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from airflow.serialization.decoders import smart_decode_trigger_kwargs
from airflow.serialization.serialized_objects import DagSerialization
from airflow.triggers.base import TaskFailedEvent
from jinja2 import Undefined

from dynamic_pod import contract, manifest
from dynamic_pod.operator import AUTHOR_KEYS, DynamicPodOperator
from dynamic_pod.trigger import DynamicPodTrigger

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def dag_with(**arguments: Any) -> DAG:
    with DAG("own", schedule=None, start_date=NOW) as dag:
        DynamicPodOperator(task_id="run", **arguments)
    return dag


def started(dag: DAG, conf: dict[str, Any] | None) -> DynamicPodTrigger:
    """The trigger as the triggerer makes and renders it: the scheduler's copy of the arguments, then the DagRun's."""
    encoded = DagSerialization.to_dict(dag)
    task: Any = DagSerialization.from_dict(encoded).get_task("run")
    decode: Any = smart_decode_trigger_kwargs
    arguments = decode(task.start_trigger_args.trigger_kwargs)
    trigger = DynamicPodTrigger(**arguments)
    ti = TaskInstanceDTO.model_construct(
        id=uuid.uuid4(), dag_id="own", run_id="r 'quoted\" <1>", task_id="run", map_index=-1, try_number=1
    )
    run: dict[str, Any] = {
        "dag_id": "own",
        "run_id": "r 'quoted\" <1>",
        "logical_date": NOW,
        "run_after": NOW,
        "start_date": NOW,
        **dict.fromkeys(("end_date", "data_interval_start", "data_interval_end", "partition_key")),
        "run_type": "manual",
        "state": "running",
        "conf": conf,
        "consumed_asset_events": [],
    }
    runtime: Any = TriggerRunner.create_runtime_ti(ti, encoded, run)
    trigger.task_instance = runtime
    trigger.render_template_fields(context=runtime.get_template_context())
    return trigger


def values(dag: DAG, conf: dict[str, Any] | None) -> dict[str, Any]:
    trigger = started(dag, conf)
    return manifest.merge(trigger.defaults, json.loads(trigger.conf))


def test_every_key_of_conf_is_an_argument_but_those_that_cannot_be() -> None:
    assert set(contract.SCHEMAS) - set(AUTHOR_KEYS) == {"retries", "owner_reference"}
    arguments: dict[str, Any] = dict.fromkeys(AUTHOR_KEYS, "x")
    assert DynamicPodOperator(task_id="run", **arguments).defaults == arguments
    assert DynamicPodOperator(task_id="run").defaults == {}


def test_text_from_conf_is_never_rendered() -> None:
    nasty = ["{{ 7*7 }}", "{{ conn.get('x').password }}", "{% raw %}", "</script>&'\"\\", "ü🎈", "a\nb", "x.sh", "{{"]
    conf = {"docker_image_name": "{{ 7*7 }}", "arguments": nasty, "env_vars": {"{{ 7*7 }}": "{{ 7*7 }}"}}
    assert values(dag_with(), conf) == conf


def test_what_a_worker_handed_over_is_not_rendered_again() -> None:
    """Airflow renders by the newest version of the DAG, in which the task may start without a worker."""
    nasty = {"docker_image_name": "{{ 7*7 }}"}
    trigger = DynamicPodTrigger(json.dumps(nasty), {"name": "{{ 7*7 }}"}, "{{ 7*7 }}", rendered=True)
    trigger.template_fields = ("conf", "defaults", "kubernetes_conn_id")
    trigger.render_template_fields(context={})
    assert (json.loads(trigger.conf), trigger.defaults, trigger.kubernetes_conn_id) == (
        nasty,
        {"name": "{{ 7*7 }}"},
        "{{ 7*7 }}",
    )


def in_a_worker(task: Any, conf: dict[str, Any], **more: Any) -> DynamicPodTrigger:
    """Render the task's fields as a worker does, then execute it; the trigger it hands over to."""
    context: Any = {"dag_run": Run(conf), "ds": "2026-11-22", **more}
    task.render_template_fields(context)
    with pytest.raises(TaskDeferred) as deferred:
        DynamicPodOperator.execute.__wrapped__(task, context)  # type: ignore[attr-defined]
    # What is stored of the trigger, and what the triggerer makes of it.
    name, arguments = deferred.value.trigger.serialize()
    assert name == "dynamic_pod.trigger.DynamicPodTrigger"
    assert arguments["rendered"] is True
    decode: Any = smart_decode_trigger_kwargs
    return DynamicPodTrigger(**decode(arguments))


@pytest.mark.parametrize("native", [False, True])
def test_text_from_conf_is_not_rendered_in_a_worker_either(native: bool) -> None:
    nasty = ["{{ 7*7 }}", "{{ conn.get('x').password }}", "{% raw %}", "ü🎈", "</script>", "x.sh"]
    conf = {"docker_image_name": "{{ 7*7 }}", "arguments": nasty, "env_vars": {"A": "{{ ds }}"}}
    with DAG("own", schedule=None, start_date=NOW, render_template_as_native_obj=native):
        task = DynamicPodOperator(task_id="run", docker_image_name="img:{{ ds }}", name="{{ ds }}")
    trigger = in_a_worker(task, conf)
    assert json.loads(trigger.conf) == conf
    assert trigger.defaults["name"] == "2026-11-22"


def test_a_mapped_tasks_values_are_rendered_as_the_author_wrote_them_and_conf_is_not() -> None:
    with DAG("own", schedule=None, start_date=NOW):
        mapped: Any = DynamicPodOperator.partial(task_id="run", docker_image_name="img:{{ ds }}").expand(
            arguments=[["{{ ds }}"], ["2"]]
        )
    for index, argument in enumerate(["2026-11-22", "2"]):
        made = mapped.unmap({"arguments": [["{{ ds }}"], ["2"]][index]})
        trigger = in_a_worker(made, {"name": "{{ 7*7 }}"})
        assert trigger.defaults["arguments"] == [argument]
        assert manifest.merge(trigger.defaults, json.loads(trigger.conf))["name"] == "{{ 7*7 }}"


def test_text_in_the_dag_is_rendered_piece_by_piece() -> None:
    made = values(
        dag_with(docker_image_name="img:{{ ds_nodash }}", arguments=["{{ run_id }}", "{{ dag_run.conf['n'] }}"]),
        {"n": '"}'},
    )
    assert made["docker_image_name"] == "img:20261122"
    assert made["arguments"] == ["r 'quoted\" <1>", '"}']


def test_conf_wins_over_the_dag_key_by_key() -> None:
    dag = dag_with(docker_image_name="a", commands=["b"], env_vars={"A": "1"})
    assert values(dag, {"commands": ["c"], "env_vars": None}) == {
        "docker_image_name": "a",
        "commands": ["c"],
        "env_vars": {"A": "1"},
    }


def test_a_run_without_conf_uses_the_dags_values() -> None:
    assert values(dag_with(docker_image_name="a"), None) == {"docker_image_name": "a"}


def test_the_scheduler_starts_the_trigger_without_a_worker() -> None:
    task: Any = DagSerialization.from_dict(DagSerialization.to_dict(dag_with(docker_image_name="a"))).get_task("run")
    assert task.start_from_trigger
    assert task.start_trigger_args.trigger_cls == "dynamic_pod.trigger.DynamicPodTrigger"


def test_outputs_of_other_tasks_are_read_in_a_worker_first() -> None:
    with DAG("own", schedule=None, start_date=NOW):
        output: Any = BaseOperator(task_id="upstream").output
        task = DynamicPodOperator(task_id="run", docker_image_name="a", arguments=[output])
    assert task.start_from_trigger is False
    assert task.upstream_task_ids == {"upstream"}


OF_THE_DAGS_OWN: dict[str, Any] = {
    "user_defined_macros": {"bucket": "prod"},
    "user_defined_filters": {"shout": str.upper},
    "template_undefined": Undefined,
    "template_searchpath": ["/templates"],
    "render_template_as_native_obj": True,
}


@pytest.mark.parametrize("setting", OF_THE_DAGS_OWN)
def test_where_a_dag_says_more_on_templates_a_worker_renders_them(setting: str) -> None:
    """A triggerer knows nothing of it: a macro would be an empty text there."""
    with DAG("own", schedule=None, start_date=NOW, **{setting: OF_THE_DAGS_OWN[setting]}):
        templated = DynamicPodOperator(task_id="a", docker_image_name="a", env_vars={"BUCKET": "{{ bucket }}"})
        plain = DynamicPodOperator(task_id="b", docker_image_name="a", env_vars={"BUCKET": "prod"})
    assert (templated.start_from_trigger, plain.start_from_trigger) == (False, True)


def test_where_a_dag_says_what_a_template_looks_like_a_worker_renders_them() -> None:
    with DAG("own", schedule=None, start_date=NOW, jinja_environment_kwargs={"variable_start_string": "[["}):
        task = DynamicPodOperator(task_id="run", docker_image_name="[[ ds }}")
    assert not task.start_from_trigger


def test_a_dags_macros_are_rendered_in_a_worker() -> None:
    with DAG("own", schedule=None, start_date=NOW, user_defined_macros={"bucket": "prod"}):
        task = DynamicPodOperator(task_id="run", docker_image_name="a", env_vars={"BUCKET": "{{ bucket }}"})
    assert in_a_worker(task, {}).defaults["env_vars"] == {"BUCKET": "prod"}


@pytest.mark.parametrize("template", ["{{ buckett }}", "{{ dag_run.conf['absent'] }}", "{{ 1 / 0 }}", "{{"])
def test_what_cannot_be_rendered_ends_the_task_and_is_not_an_empty_text(template: str) -> None:
    trigger = started(dag_with(docker_image_name="a", env_vars={"BUCKET": template}), {})

    async def first() -> Any:
        return await anext(trigger.run())

    event = asyncio.run(first())
    assert isinstance(event, TaskFailedEvent)
    assert re.search("undefined|no attribute|by zero|unexpected", json.dumps(event.xcoms))


def test_text_without_a_template_stays_as_it_is_byte_for_byte() -> None:
    text = "a }} %} {x} \\n\n"
    assert values(dag_with(docker_image_name="a", arguments=[text]), {})["arguments"] == [text]


def test_a_mapped_task_goes_through_a_worker_which_hands_over() -> None:
    """Airflow does not expand the arguments of a trigger that the scheduler starts."""
    with DAG("own", schedule=None, start_date=NOW) as dag:
        DynamicPodOperator.partial(task_id="run", docker_image_name="a").expand(arguments=[["1"], ["2"]])
    (task,) = DagSerialization.from_dict(DagSerialization.to_dict(dag)).tasks
    assert not task.start_from_trigger


class Run:
    def __init__(self, conf: dict[str, Any] | None) -> None:
        self.conf = conf


def test_a_worker_hands_over_to_the_triggerer() -> None:
    operator = DynamicPodOperator(task_id="run", docker_image_name="a")
    with pytest.raises(TaskDeferred) as deferred:
        DynamicPodOperator.execute.__wrapped__(operator, {"dag_run": Run({"name": "{{ 7*7 }}"})})  # type: ignore[attr-defined]
    trigger = deferred.value.trigger
    assert isinstance(trigger, DynamicPodTrigger)
    assert json.loads(trigger.conf) == {"name": "{{ 7*7 }}"}
    assert trigger.defaults == {"docker_image_name": "a"}


@pytest.mark.parametrize("retries", [0, 2])
def test_the_trigger_knows_whether_airflow_would_try_again(retries: int) -> None:
    assert started(dag_with(docker_image_name="a", retries=retries), {}).retried is bool(retries)


def test_a_worker_ends_for_good_what_failed_for_good() -> None:
    pushed: dict[str, Any] = {}

    class TaskInstance:
        def xcom_push(self, key: str, value: Any) -> None:
            pushed[key] = value

    event = {"message": "Error (exit code 42)", "xcoms": {"outcome": {"attempts": []}}}
    operator = DynamicPodOperator(task_id="run", docker_image_name="a")
    with pytest.raises(AirflowFailException, match="exit code 42"):
        operator.execute_complete({"ti": TaskInstance()}, event)  # type: ignore[typeddict-item]
    assert pushed == event["xcoms"]


@pytest.mark.parametrize(("setting", "expected"), [(None, True), ("False", False)])
def test_airflows_configuration_says_whether_there_is_a_triggerer(
    setting: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting is not None:
        monkeypatch.setenv("AIRFLOW__DYNAMIC_POD__DEFERRABLE", setting)
    assert DynamicPodOperator(task_id="run").start_from_trigger is expected
    assert DynamicPodOperator(task_id="run", deferrable=False).start_from_trigger is False


def test_a_misspelt_argument_is_refused_where_the_dag_is_written() -> None:
    with pytest.raises(TypeError, match="docker_image"):
        DynamicPodOperator(task_id="run", docker_image="a")
