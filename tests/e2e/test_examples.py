"""Each file in examples/ does what it says, applied as it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.jobs import ended
from tests.support.airflow import Airflow
from tests.support.cluster import Namespace

EXAMPLES = Path(__file__).parents[2] / "examples"


def read(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_example_succeeds(airflow: Airflow, namespace: Namespace, name: str) -> None:
    namespace.kubectl("apply", "-f", str(EXAMPLES / name))
    for document in read(name):
        if document["kind"] == "AirflowContainerJob":
            status = ended(namespace, document["metadata"]["name"])
            assert status["phase"] == "Succeeded", status
            assert status["exitCode"] == 0
            assert airflow.run(status["dagRunId"])["state"] == "success"


def test_wordcount_counts_as_python_does(airflow: Airflow, namespace: Namespace) -> None:
    namespace.kubectl("apply", "-f", str(EXAMPLES / "wordcount.yaml"))
    (text,) = (d["data"]["harbour.txt"] for d in read("wordcount.yaml") if d["kind"] == "ConfigMap")
    words = text.split()
    expected = {
        "lines": len(text.splitlines()),
        "words": len(words),
        "characters": len(text),
        "mostFrequent": Counter(word.strip(".").lower() for word in words).most_common(1)[0][0],
    }
    status = ended(namespace, "wordcount")
    assert status["result"] == expected
    assert airflow.xcom(status["dagRunId"], "return_value") == expected
