"""A document is a mapping like any other, and takes little memory."""

from __future__ import annotations

import json
import tracemalloc

from airflow_container_job.document import HOT, Document

CONTENT = {
    "image": "busybox",
    "env": [{"name": "A", "value": "é\n"}],
    "nothing": None,
    "many": {"deep": [1, 2.5, True]},
}


def test_what_goes_in_comes_out() -> None:
    document = Document(CONTENT)
    assert dict(document) == CONTENT
    assert document["env"][0]["value"] == "é\n"
    assert document.get("missing") is None
    assert "missing" not in document
    assert len(document) == len(CONTENT)


def test_it_equals_a_dict_and_a_document_of_the_same_content_in_any_order() -> None:
    turned = dict(reversed(CONTENT.items()))
    assert Document(CONTENT) == CONTENT
    assert turned == Document(CONTENT)
    assert Document(CONTENT) == Document(turned)
    assert Document(CONTENT) != CONTENT | {"image": "alpine"}
    assert Document({}) != Document(CONTENT)


def test_what_was_put_in_can_change_without_it() -> None:
    content = {"phase": "Queued"}
    document = Document(content)
    content["phase"] = "Running"
    assert document["phase"] == "Queued"


def test_one_that_rests_takes_little_more_than_its_text() -> None:
    texts = [json.dumps(CONTENT | {"number": number}) for number in range(4 * HOT)]
    tracemalloc.start()
    kept = [Document(json.loads(text)) for text in texts]
    for document in kept[-HOT:]:
        assert document["number"] >= 0
    for number in range(HOT):
        assert Document({"another": number})["another"] == number
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 3 * sum(map(len, texts)), "as dicts they take ten times their text"
