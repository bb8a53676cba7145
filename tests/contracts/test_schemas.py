"""`schemas/`: what is committed is what the structs say, and the examples keep or break both in the same way.

An invalid example is named `<reason>.<what>.json`, the reason being the one its decoder gives.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stream_rec.core.contract import REASONS
from stream_rec.core.events import decode_event
from stream_rec.core.schemas import render
from stream_rec.core.wire import decode_announcement, decode_item, decode_list
from stream_rec.errors import ContractError

SCHEMAS = Path(__file__).parents[2] / "schemas"
EXAMPLES = SCHEMAS / "examples"
BEYOND_SCHEMAS = {
    "oversized-id.bytes_of_utf8": "JSON Schema counts characters, the limit counts bytes",
    "wrong-type.timestamp_decimal": "to JSON Schema 1.0 is an integer",
    "not-finite.price_nan": "not JSON, though Python reads it",
    "not-json.cut_short": "not JSON",
}
"""Invalid examples that only the decoder refuses."""


def key_of(value: bytes, field: str) -> bytes:
    try:
        return str(json.loads(value)[field]).encode()
    except (ValueError, TypeError, KeyError):
        return b""


DECODE: dict[str, Callable[[bytes], object]] = {
    "event": lambda value: decode_event(value, key_of(value, "user_id"), None),
    "recommendation_list": decode_list,
    "catalogue_item": lambda value: decode_item(value, key_of(value, "item_id")),
    "model_announcement": decode_announcement,
}


def examples(kind: str) -> list[Any]:
    return [
        pytest.param(path, id=f"{path.parent.parent.name}-{path.stem}")
        for path in sorted(EXAMPLES.glob(f"*/{kind}/*.json"))
    ]


def validator(path: Path) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(render()[path.parent.parent.name])


@pytest.mark.parametrize("name", render())
def test_the_committed_schema_is_the_generated_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(render()[name])
    committed = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    assert committed == render()[name], "run `stream-rec schemas`"


def test_every_schema_has_examples_and_nothing_else_lies_about() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(render()) == {path.name for path in EXAMPLES.iterdir()}
    assert all(list((EXAMPLES / name / kind).glob("*.json")) for name in render() for kind in ("valid", "invalid"))


@pytest.mark.parametrize("path", examples("valid"))
def test_valid_examples_validate_and_decode(path: Path) -> None:
    raw = path.read_bytes()
    validator(path).validate(json.loads(raw))
    DECODE[path.parent.parent.name](raw)


@pytest.mark.parametrize("path", examples("invalid"))
def test_invalid_examples_are_refused_for_the_reason_they_are_named_after(path: Path) -> None:
    raw = path.read_bytes()
    with pytest.raises(ContractError) as caught:
        DECODE[path.parent.parent.name](raw)
    assert caught.value.reason == path.stem.split(".")[0]
    assert caught.value.reason in REASONS
    if path.stem not in BEYOND_SCHEMAS:
        assert not validator(path).is_valid(json.loads(raw))


def test_the_exceptions_are_needed() -> None:
    for stem in BEYOND_SCHEMAS:
        (path,) = EXAMPLES.glob(f"*/invalid/{stem}.json")
        try:
            parsed = json.loads(path.read_bytes())
        except ValueError:
            continue
        assert validator(path).is_valid(parsed)
