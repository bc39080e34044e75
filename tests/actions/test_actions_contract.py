"""The eleven actions are what is published of them: names, parameters, results; and no action is another's twin."""

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from orgstead.actions import ELEVEN, TOOLKIT
from tests.actions.conftest import CONTRACT, Act

EVERY = sorted(TOOLKIT)


def types(schema: dict[str, Any]) -> set[str]:
    return {each["type"] for each in schema.get("anyOf", [schema])}


def test_the_eleven_are_there_under_their_names() -> None:
    assert {each.name for each in ELEVEN} == set(CONTRACT)
    assert len(CONTRACT) == 11
    assert len(TOOLKIT) == 23


@pytest.mark.parametrize("name", sorted(CONTRACT))
def test_what_an_action_answers_is_the_published_schema_to_the_letter(name: str) -> None:
    assert TOOLKIT[name].output_schema == CONTRACT[name]["output"]


@pytest.mark.parametrize("name", sorted(CONTRACT))
def test_what_an_action_takes_is_as_published(name: str) -> None:
    schema, published = TOOLKIT[name].input_schema, CONTRACT[name]["parameters"]
    assert schema["properties"].keys() == published.keys()
    assert set(schema.get("required", ())) == {each for each, found in published.items() if found["required"]}
    for parameter, found in published.items():
        given = schema["properties"][parameter]
        assert found["type"] in types(given), parameter
        assert given.get("maximum") == found.get("maximum")
        if not found["required"]:
            assert given["default"] == found.get("default")


@pytest.mark.parametrize("name", EVERY)
def test_every_action_says_what_it_is_for(name: str) -> None:
    action = TOOLKIT[name]
    for schema in (action.input_schema, action.output_schema):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["additionalProperties"] is False
    assert action.title
    assert 40 < len(action.description) < 1000
    for parameter, found in action.input_schema["properties"].items():
        assert found.get("description"), f"{name}.{parameter}"


def test_all_descriptions_together_leave_room_for_the_work() -> None:
    told = [[each.description, each.input_schema, each.output_schema] for each in TOOLKIT.values()]
    assert len(json.dumps(told)) < 40_000


@pytest.mark.parametrize("name", EVERY)
def test_an_action_answers_arguments_that_do_not_fit_without_sending_anything(
    act: Act, plane: Any, name: str
) -> None:
    for wrong in (
        {"no_such_parameter": 1},
        {next(iter(CONTRACT.get(name, {}).get("parameters", {})), "x"): [[]]},
    ):
        answer = act(name, **wrong)
        assert not answer["success"]
        assert "do not fit" in answer["error"]
    assert plane.requests(path="/api/data/") == []


def test_a_result_is_frozen() -> None:
    result = TOOLKIT["get_account"].result(success=True)
    with pytest.raises(AttributeError):
        result.success = False  # type: ignore[misc]
    assert msgspec.structs.asdict(result)["error"] is None
