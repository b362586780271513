"""Apply the layers of the sandbox to this process, or say why this machine cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hubcheck.sandbox import bubblewrap, landlock, limits, privileges, seccomp
from hubcheck.sandbox.policy import Protections, SandboxPolicy, SandboxUnavailable

LAYERS = (bubblewrap.LAYER, privileges.LAYER, landlock.LAYER, seccomp.LAYER)
"""In the order in which they are applied: Landlock and seccomp need that no new privileges can be gained, and seccomp
refuses what the others need."""

_ISOLATING = (bubblewrap.LAYER.name, landlock.LAYER.name)
"""Of these, one that is enforced in full suffices: Landlock from version 6 on, or bubblewrap."""

_SOCKETS = "a GPU's driver needs local sockets, and it does not keep a process from those of other programs"


def unavailable() -> str | None:
    """Return why this machine cannot enforce a required sandbox, or None if it can."""
    lacking: dict[str, str] = {}
    isolated = False
    for layer in reversed(LAYERS):  # bubblewrap last: whether it works is found out by starting it
        if not (layer.name in _ISOLATING and isolated):
            reason = layer.unavailable() or layer.weakness()
            isolated = isolated or (layer.name in _ISOLATING and reason is None)
            lacking |= {layer.name: reason} if reason is not None else {}
    return _insufficient(lacking)


def try_layers() -> None:
    """Find out which layers this machine has, while this process has no threads; `enforce` then knows it."""
    for layer in LAYERS:
        layer.unavailable()


def enforce(policy: SandboxPolicy) -> Protections:
    """Confine this process and those it starts later. Call it before the process has threads; it cannot be undone.

    It may return in a child of the process that called it, whose parent then waits and ends as the child does.

    Raises:
        SandboxUnavailable: the policy requires a layer that cannot be enforced.
    """
    enforced = list(limits.apply(policy))
    missing: list[str] = []
    lacking: dict[str, str] = {}
    for layer in LAYERS:
        omitted = "switched off" if policy.mode == "off" else policy.omit.get(layer.name)
        reason = omitted or layer.unavailable()
        applied: tuple[str, ...] = ()
        if reason is None:
            try:
                applied = tuple(layer.apply(policy))
            except OSError as error:
                reason = error.strerror or str(error)
        if layer.name in _ISOLATING and applied:
            bounded = policy.bounded_scratch or layer is bubblewrap.LAYER
            policy = replace(policy, confined=True, bounded_scratch=bounded)
        enforced += applied
        unmet = [protection for protection in layer.protects if protection not in applied]
        if unmet:
            missing += [f"{protection}: {reason or layer.limitation(policy)}" for protection in unmet]
        reason = reason or layer.weakness() or (_SOCKETS if layer is landlock.LAYER and policy.device_driver else None)
        if reason is not None and (omitted is None or layer.name in _ISOLATING):
            lacking[layer.name] = reason
    if policy.mode == "required" and (insufficient := _insufficient(lacking)) is not None:
        raise SandboxUnavailable(insufficient)
    return Protections(tuple(enforced), tuple(missing))


def _insufficient(lacking: Mapping[str, str]) -> str | None:
    """Return why a required sandbox is refused, or None, given the layers that are not enforced in full."""
    isolated = not all(name in lacking for name in _ISOLATING)
    reasons = [f"{name}: {reason}" for name, reason in lacking.items() if not (isolated and name in _ISOLATING)]
    return "; ".join(reasons) or None
