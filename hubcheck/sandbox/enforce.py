"""Apply the layers of the sandbox to this process, or say why this machine cannot."""

from __future__ import annotations

from hubcheck.sandbox import landlock, limits, privileges, seccomp
from hubcheck.sandbox.policy import Protections, SandboxPolicy, SandboxUnavailable

LAYERS = (privileges.LAYER, landlock.LAYER, seccomp.LAYER)
"""In the order in which they are applied: Landlock and seccomp need that no new privileges can be gained."""


def unavailable() -> str | None:
    """Return why this machine cannot enforce every layer, or None if it can."""
    return next((reason for layer in LAYERS if (reason := layer.unavailable()) is not None), None)


def enforce(policy: SandboxPolicy) -> Protections:
    """Confine this process and those it starts later. Call it before the process has threads; it cannot be undone.

    Raises:
        SandboxUnavailable: the policy requires a layer that cannot be enforced.
    """
    enforced = list(limits.apply(policy))
    missing: list[str] = []
    lacking: list[str] = []
    for layer in LAYERS:
        reason = "switched off" if policy.mode == "off" else policy.omit.get(layer.name)
        omitted = reason is not None
        reason = reason or layer.unavailable()
        if reason is None:
            try:
                applied = tuple(layer.apply(policy))
                enforced += applied
                partly = [protection for protection in layer.protects if protection not in applied]
                missing += [f"{protection}: {layer.limitation(policy)}" for protection in partly]
            except OSError as error:
                reason = error.strerror or str(error)
        if reason is not None:
            missing += [f"{protection}: {reason}" for protection in layer.protects]
            lacking += [] if omitted else [f"{layer.name}: {reason}"]
    if policy.mode == "required" and lacking:
        raise SandboxUnavailable("; ".join(lacking))
    return Protections(tuple(enforced), tuple(missing))
