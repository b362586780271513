"""What a module is before it is written: its tasks, the functions that compute them, and its documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

FEATURES = "image_feature_vector"
CLASSES = "image_classification"
LABELS = "labels.txt"

JointFunction = Callable[[Any, bool], Mapping[str, "Outputs"]]


@dataclass(frozen=True, slots=True)
class Outputs:
    """Return value of a task's function that has hidden outputs besides the default one.

    Args:
        default: feature vectors or logits, float32 [batch, width].
        hidden: activations inside the network by name; "Conv_1" becomes the key "<architecture>/Conv_1".
    """

    default: Any
    hidden: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """One common signature and the function that computes it.

    `label` is how error messages call the function. `activation` is documented, never applied.
    """

    signature: str
    function: Callable[..., Any]
    takes_features: bool
    takes_training: bool
    label: str
    classes: tuple[str, ...] = ()
    activation: str | None = None


@dataclass
class ModuleDefinition:
    """All that the writers and the documentation need to know of a module.

    `joint_function`, where there is one, computes all tasks at once. `models` are searched for variables,
    regularizers and lookup tables in addition to the tasks' functions. `notes` are sentences for MODULE.md.
    """

    architecture: str
    image_size: tuple[int, int]
    description: str = ""
    tasks: dict[str, Task] = field(default_factory=dict)
    joint_function: JointFunction | None = None
    models: list[Any] = field(default_factory=list)
    regularizers: list[Callable[[], Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; empty where there are none."""
        return self.tasks[CLASSES].classes if CLASSES in self.tasks else ()
