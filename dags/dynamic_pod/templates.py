"""Airflow's templates in the values that a DAG gives: where there are any, and who can render them.

Asked by the operator, which the DAG processor parses again and again, and by the trigger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import jinja2  # which Airflow's DAG imports anyway

if TYPE_CHECKING:
    from airflow.sdk import DAG

MARKS: Final = ("{{", "{%", "{#")
"""Text without any of these renders to itself, as far as a DAG leaves Jinja as it is."""

SETTINGS: Final = (
    "user_defined_macros",
    "user_defined_filters",
    "template_searchpath",
    "render_template_as_native_obj",
)
"""What a DAG may say on rendering. Airflow does not hand it on to a triggerer."""


def found_in(*values: Any) -> bool:
    """Whether any text in these JSON values may be a template."""
    return any(_found_in(value) for value in values)


def _found_in(value: Any) -> bool:
    if isinstance(value, str):
        return any(mark in value for mark in MARKS)
    if isinstance(value, dict):
        return found_in(*value.values())
    return isinstance(value, list | tuple) and found_in(*value)


def need_a_worker(dag: DAG | None, *values: Any) -> bool:
    """Whether only a worker, which has the DAG's file, renders these values as the DAG says."""
    if dag is None:
        return False
    if dag.jinja_environment_kwargs:  # what a template looks like may be another, too
        return True
    says_more = dag.template_undefined is not jinja2.StrictUndefined or any(getattr(dag, name) for name in SETTINGS)
    return says_more and found_in(*values)


def as_of_a_dag(env: jinja2.Environment) -> jinja2.Environment:
    """Make an environment of Airflow's that belongs to no DAG what it is in a DAG that says nothing on templates.

    Without this a name that is not known would be rendered to nothing.
    """
    env.undefined = jinja2.StrictUndefined
    env.add_extension("jinja2.ext.do")
    return env
