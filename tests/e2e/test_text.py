"""Text of a spec, or of a conf, is data: it arrives in the container as written. Nothing is ever rendered.

The container answers with a checksum of each text, since a result may not be larger than 4 KiB.
"""

from __future__ import annotations

from hashlib import sha256

from tests.support.airflow import Airflow
from tests.support.cluster import Json, Namespace
from tests.support.jobs import ended, job

TEXTS = {
    "jinja": "{{ 7*7 }}",
    "secret": "{{ conn.get('x').password }} {{ var.value.get('x') }} {{ ti.xcom_push('a', 'b') }}",
    "raw": "{% raw %} {% for a in (1, 2) %} {# comment #}",
    "file": "/etc/no-such-template.sql",
    "quotes": """it's "quoted" `here` and \\ there""",
    "lines": "first\nsecond\r\n\tthird\n",
    "unicode": "ünïcode ✓ 漢字 🚢 \u202eright to left",
    "shell": "$HOME $(date) ${PATH} !! ; & | > < * ? [a-z] ~",
    "unknown": "$(NOT_A_VARIABLE)",
    "escaped": "$$(PLACE)",
    "json": '{"a": [1, null, "\\u0000"]}',
    "empty": "",
    "space": "  ",
    "long": "0123456789abcdef" * 6400,  # 100 KiB
}
"""Name -> text. As environment variables and as arguments."""

KUBERNETES = {"expanded": "$(PLACE) and $(PLACE)"}
"""What Kubernetes itself makes something of: `$(NAME)` is another variable, `$$(NAME)` the text `$(NAME)`."""

ARRIVES = {**TEXTS, "escaped": "$(PLACE)", "expanded": "harbour and harbour"}

SCRIPT = r"""
sum() { printf %s "$1" | sha256sum | cut -c 1-16; }
{ for text in "$@"; do sum "$text"; done
  for name in $NAMES; do eval "sum \"\$TEXT_$name\""; done
} | paste -s -d , - | sed 's/[0-9a-f]\{16\}/"&"/g; s/.*/[&]/' > /airflow/xcom/return.json
"""


def spec() -> tuple[list[Json], list[str]]:
    """Environment and arguments."""
    sent = TEXTS | KUBERNETES
    env = [
        {"name": "PLACE", "value": "harbour"},
        {"name": "NAMES", "value": " ".join(sent)},
        *({"name": f"TEXT_{name}", "value": text} for name, text in sent.items()),
    ]
    return env, [SCRIPT, "sh", *sent.values()]


def expected() -> list[str]:
    sums = [sha256(ARRIVES[name].encode()).hexdigest()[:16] for name in TEXTS | KUBERNETES]
    return sums * 2


def test_from_a_resource(airflow: Airflow, namespace: Namespace) -> None:
    env, args = spec()
    namespace.apply(job("verbatim", "", args=args, env=env))
    status = ended(namespace, "verbatim")
    assert status["phase"] == "Succeeded", status
    assert status["result"] == expected()
    assert airflow.run(status["dagRunId"])["conf"]["arguments"] == args


def test_from_a_conf(airflow: Airflow, namespace: Namespace) -> None:
    env, args = spec()
    conf = {
        "docker_image_name": "busybox:1.35",
        "commands": ["sh", "-c"],
        "arguments": args,
        "env_vars": env,
        "namespace": namespace.name,
    }
    run = airflow.trigger(conf)
    assert airflow.until_over(run) == "success"
    assert airflow.xcom(run, "return_value") == expected()
