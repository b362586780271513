"""Records: what `dataclass(frozen=True, slots=True)` makes, in a fiftieth of the time.

A dataclass compiles a function for each of its methods. With forty of them, that is a quarter of a static check of a
small module. The methods of a record are the same few functions for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, eq: bool = True, frozen: bool = True) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T] | None = None, /, *, eq: bool = True, frozen: bool = True) -> Any:
    """Make a class of its annotations, as `dataclass(frozen=True, slots=True)` does.

    `dataclasses.replace`, `asdict`, `fields`, pickles and copies work as for a dataclass. Records do not inherit.

    Args:
        cls: the class.
        eq: whether records are equal, and have the same hash, if their fields are; otherwise each equals itself alone.
        frozen: whether fields can be set only when a record is made.
    """
    return _made(cls, eq, frozen) if cls is not None else lambda cls: _made(cls, eq, frozen)


def _made(cls: type[T], eq: bool, frozen: bool) -> type[T]:
    names = tuple(cls.__annotations__)
    defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
    unlike = {"__dict__", "__weakref__", *defaults}
    body = {name: value for name, value in cls.__dict__.items() if name not in unlike}
    methods: dict[str, Any] = {"__repr__": _repr, "__reduce__": _reduce}
    methods["__dataclass_fields__"] = _AsDataclass(defaults, _fields)
    methods["__dataclass_params__"] = _AsDataclass(defaults, _parameters)
    methods["__signature__"] = _AsDataclass(defaults, _signature)
    if eq:
        methods |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
        methods["_compared"] = tuple([name for name in names if getattr(defaults.get(name), "compare", True)])
    if frozen:
        methods |= {"__setattr__": _refuse, "__delattr__": _refuse}
    made: Any = type(cls.__name__, cls.__bases__, methods | body | {"__slots__": names, "__match_args__": names})
    made.__init__ = _init(made, names, defaults)
    return made  # type: ignore[no-any-return]


def _init(cls: type, names: tuple[str, ...], defaults: dict[str, Any]) -> Callable[..., None]:
    setters = [cls.__dict__[name].__set__ for name in names]
    count, of_name = len(names), dict(zip(names, setters, strict=True))
    described = {name: value for name, value in defaults.items() if isinstance(value, Field)}
    factories: dict[str, Any] = {name: f.default_factory for name, f in described.items()}
    plain = {name: described[name].default if name in described else value for name, value in defaults.items()}

    def __init__(self: Any, *values: Any, **named: Any) -> None:
        for set_field, value in zip(setters, values):  # noqa: B905 - there may be fewer values
            set_field(self, value)
        if len(values) == count and not named:
            return
        for name in names[len(values) :]:
            if name in named:
                of_name[name](self, named.pop(name))
            elif plain.get(name, MISSING) is not MISSING:
                of_name[name](self, plain[name])
            elif factories.get(name, MISSING) is not MISSING:
                of_name[name](self, factories[name]())
            else:
                raise TypeError(f"{cls.__name__}() is missing {name!r}")
        if named or len(values) > count:
            wrong = f"unexpected {', '.join(named)}" if named else f"{len(values)} values for {count} fields"
            raise TypeError(f"{cls.__name__}() has {wrong}")

    return __init__


class _AsDataclass:
    """What a dataclass of the same fields has, made when somebody asks."""

    def __init__(self, defaults: dict[str, Any], read: Callable[[Any], Any]) -> None:
        self._defaults, self._read = defaults, read

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        body = {"__annotations__": owner.__annotations__, "__doc__": owner.__doc__ or "-", **self._defaults}
        value = self._read(type(owner.__name__, (), body))
        setattr(owner, self._name, value)
        return value


def _fields(cls: type) -> dict[str, Field[Any]]:
    made: Any = dataclass(init=False, repr=False, eq=False)(cls)
    return made.__dataclass_fields__  # type: ignore[no-any-return]


def _parameters(cls: type) -> Any:
    made: Any = dataclass(frozen=True)(cls)
    return made.__dataclass_params__


def _signature(cls: type) -> Any:
    import inspect

    return inspect.signature(dataclass(cls))


def _compared(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self._compared])


def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name, f in self.__dataclass_fields__.items() if f.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: object) -> bool:
    return _compared(self) == _compared(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _refuse(self: Any, name: str, *value: Any) -> None:
    raise FrozenInstanceError(f"cannot change field {name!r}")


def _reduce(self: Any) -> tuple[type, tuple[Any, ...]]:
    return type(self), tuple([getattr(self, name) for name in self.__slots__])
