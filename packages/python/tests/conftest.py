"""What the tests run."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

DOCS = Path(__file__).parents[3] / "docs"

# A shell's background job ignores Ctrl-C, and so does what the job starts. But the tests send it to
# what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def program() -> str:
    """The real program."""
    path = shutil.which(os.environ.get("MATRIX_QR_PROGRAM", ""))
    if path is None:
        pytest.fail(
            "These tests need the program. Build it with `cargo build --package matrix-qr`, "
            "then set MATRIX_QR_PROGRAM=target/debug/matrix-qr (with its full path)."
        )
    return os.path.abspath(path)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[str]:
    """A program that is the fake helper. What was said is checked against the schema."""
    yield str(Path(__file__).with_name("fake_helper.py"))
    for log in tmp_path.glob("*.log"):
        check(said(log.with_suffix("")))


def check(conversation: list[dict[str, Any]]) -> None:
    """Each line must be as docs/helper.schema.json says."""
    asked: dict[tuple[str, int], str] = {}
    for line in conversation:
        to, message = line["to"], line["message"]
        validate(message, "to_helper" if to == "helper" else "from_helper")
        if "method" in message:
            asked[to, message.get("id")] = message["method"]
        elif "result" in message:
            sender = "caller" if to == "helper" else "helper"
            validate(message["result"], f"result_of_{asked[sender, message['id']]}")


def validate(value: Any, definition: str) -> None:
    """The value must be of this definition of docs/helper.schema.json."""
    schema = {"$ref": f"helper.schema.json#/$defs/{definition}"}
    jsonschema.Draft202012Validator(schema, registry=schemas()).validate(value)


@functools.cache
def schemas() -> Registry[Any]:
    names = ("helper.schema.json", "json-events.schema.json")
    contents = ((name, json.loads((DOCS / name).read_text())) for name in names)
    resources = ((name, Resource.from_contents(content)) for name, content in contents)
    return Registry().with_resources(resources)


def said(directory: Path) -> list[dict[str, Any]]:
    """What both sides of a fake helper's conversation said."""
    log = directory.with_name(directory.name + ".log")
    return [json.loads(line) for line in log.read_text().splitlines()]
