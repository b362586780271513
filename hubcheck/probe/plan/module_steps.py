"""All steps for a module, and how they are divided among workers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from hubcheck.probe.observations import NotRun, ProbeTarget
from hubcheck.probe.plan.steps import CallStep, LoadStep, Step


@dataclass(frozen=True, slots=True)
class VariantSteps:
    """How to load a variant, its calls, its repeated calls, those in a second load, and those that compute gradients.

    Where `gradients` begins with a load, its calls need that; else any load of the variant.
    """

    load: LoadStep
    calls: tuple[CallStep, ...]
    repeated: tuple[CallStep, ...]
    reloaded: tuple[CallStep, ...] = ()
    gradients: tuple[Step, ...] = ()

    @property
    def second_load(self) -> tuple[Step, ...]:
        """Load the variant again, if the first load may have changed, for the calls that follow."""
        return (replace(self.load, condition="stateful"), *self.reloaded) if self.reloaded else ()


@dataclass(frozen=True, slots=True)
class ModuleSteps:
    """The steps of each variant, those with the session loader (`serving`), and the targets that cannot be called."""

    variants: tuple[VariantSteps, ...]
    serving: tuple[Step, ...]
    not_run: tuple[NotRun, ...]

    def for_one_worker(self) -> tuple[Step, ...]:
        """All steps. Repeated calls come last in a variant, because training may change the loaded object."""
        steps: list[Step] = []
        for variant in self.variants:
            steps += [variant.load, *variant.calls, *variant.repeated, *variant.second_load, *variant.gradients]
        return (*steps, *self.serving)

    def side_by_side(self) -> tuple[tuple[Step, ...], ...]:
        """The same steps for several workers: calls, unconditional repetitions with gradients, and serving."""
        calls: list[Step] = []
        training: list[Step] = []
        for variant in self.variants:
            calls += [variant.load, *variant.calls]
            calls += [step for step in variant.repeated if step.condition != "always"]
            always = [step for step in variant.repeated if step.condition == "always"]
            loads_itself = any(isinstance(step, LoadStep) for step in variant.gradients)
            if always or (variant.gradients and not loads_itself):
                training += [variant.load, *variant.reloaded, *always]
            else:
                calls += variant.second_load
            training += variant.gradients
        return tuple(tuple(steps) for steps in (calls, training, self.serving) if steps)

    def without_repetitions(self) -> tuple[Step, ...]:
        """What runs on devices other than the CPU: each variant's calls."""
        steps: list[Step] = []
        for variant in self.variants:
            steps += [variant.load, *variant.calls]
        return tuple(steps)

    def select(
        self, target: ProbeTarget | None, purposes: Collection[str], *, keep: Collection[str] = ()
    ) -> ModuleSteps:
        """Return only these calls of a target, made unconditionally; without a target, the loads alone.

        Args:
            target: what to call.
            purposes: which of its calls.
            keep: further outputs whose values are wanted.
        """

        def selected(step: Step) -> bool:
            return isinstance(step, CallStep) and step.target == target and step.purpose in purposes

        variants = []
        for variant in self.variants:
            steps = [step for step in (*variant.calls, *variant.repeated) if selected(step)]
            reloaded = tuple(step for step in variant.reloaded if selected(step))
            gradients = tuple(step for step in variant.gradients if selected(step))
            if steps or reloaded or gradients or target is None:
                calls = tuple(
                    replace(step, condition="always", optional=False, keep=tuple(dict.fromkeys((*step.keep, *keep))))
                    for step in steps
                )
                variants.append(
                    VariantSteps(
                        variant.load,
                        calls,
                        (),
                        reloaded,
                        tuple(
                            step
                            for step in variant.gradients
                            if step in gradients or (gradients and isinstance(step, LoadStep))
                        ),
                    )
                )
        serving = tuple(step for step in self.serving if selected(step))
        if serving or (target is None and "load" in purposes):
            serving = (*(step for step in self.serving if isinstance(step, LoadStep)), *serving)
        return ModuleSteps(tuple(variants), serving, ())
