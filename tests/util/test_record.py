"""Records behave as frozen dataclasses with slots do."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import pprint
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from hubcheck.util.record import record


@record
class Made:
    """Of three fields."""

    name: str
    size: int = 1
    more: Mapping[str, int] = field(default_factory=dict)

    @property
    def double(self) -> int:
        return 2 * self.size


@dataclass(frozen=True, slots=True)
class Model:
    """Of three fields."""

    name: str
    size: int = 1
    more: Mapping[str, int] = field(default_factory=dict)


@record(eq=False)
class Unequal:
    name: str


@record(frozen=False)
class Open:
    name: str
    hidden: int = field(default=3, repr=False, compare=False)
    needed: str = field(default="b", repr=False)


def test_it_is_made_like_a_dataclass():
    for values, named in ((("a",), {}), (("a", 2), {}), (("a",), {"more": {"b": 1}}), ((), {"size": 3, "name": "a"})):
        made, model = Made(*values, **named), Model(*values, **named)
        assert dataclasses.asdict(made) == dataclasses.asdict(model)
        assert repr(made) == repr(model).replace("Model", "Made")


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), (("a",), {"nmae": 1}), (("a", 1, {}, 4), {}), (("a",), {"name": "b"})]
)
def test_wrong_arguments_are_type_errors(values, named):
    for kind in (Made, Model):
        with pytest.raises(TypeError):
            kind(*values, **named)


def test_fields_with_factories_are_not_shared():
    assert Made("a").more is not Made("a").more


def test_it_is_frozen_unless_told_otherwise():
    for kind in (Made, Model):
        made: Any = kind("a")
        with pytest.raises(dataclasses.FrozenInstanceError):
            made.name = "b"
        with pytest.raises(dataclasses.FrozenInstanceError):
            del made.name
        assert not hasattr(made, "__dict__")
    opened = Open("a")
    opened.name = "b"
    assert (repr(opened), opened.hidden) == ("Open(name='b')", 3)
    assert opened == Open("b", 4) != Open("b", 4, "c")


def test_equality_and_hash():
    assert Made("a") == Made("a") != Made("b")
    assert Made("a") != Model("a")
    assert len({Open, Made}) == 2
    assert hash(Unequal("a")) != hash(Unequal("a"))
    assert Unequal("a") != Unequal("a")
    with pytest.raises(TypeError):
        hash(Open("a"))


def test_replace_pickle_copy_and_match():
    made = Made("a", 2)
    assert dataclasses.replace(made, size=3) == Made("a", 3)
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made
    assert [f.name for f in dataclasses.fields(Made)] == ["name", "size", "more"]
    match made:
        case Made(name, size):
            assert (name, size, made.double) == ("a", 2, 4)


def test_its_signature_names_the_fields():
    assert list(inspect.signature(Made).parameters) == list(inspect.signature(Model).parameters)


def test_it_is_printed_like_a_dataclass():
    made, model = (kind("a" * 60, 2, {"b": 1}) for kind in (Made, Model))
    assert pprint.pformat(made).split() == pprint.pformat(model).replace("Model", "Made").split()
