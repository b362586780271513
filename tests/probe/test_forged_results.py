"""What a worker of a hostile module may send in the right order: any results. The checks decide on all of them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubcheck.checks.context import Context
from hubcheck.engine.evaluation import evaluate
from hubcheck.module.reader import read
from hubcheck.probe.dispatch.collector import Collector
from hubcheck.probe.dispatch.endings import interference
from hubcheck.probe.dispatch.jobs import Job
from hubcheck.probe.evidence import save_evidence
from hubcheck.probe.observations import Observations
from hubcheck.probe.options import ProbeOptions
from hubcheck.probe.plan.planning import plan_steps
from hubcheck.probe.plan.steps import CallStep, LoadStep, Step
from hubcheck.probe.replay import describe
from hubcheck.probe.wire.framing import BadFrame, Decoder, encode
from hubcheck.report.details import module_details
from hubcheck.rulebook.contract import load_contracts
from hubcheck.rulebook.rules import load_rules
from tests.paths import DATA

CONTRACTS, RULES = load_contracts(), load_rules()
MODULES = {name: read(DATA / name) for name in ("a_good_feature_vector", "b_good_classification")}

DTYPES = (
    *("bool", "int8", "uint8", "int32", "int64", "uint64", "float16", "bfloat16", "float32", "float64"),
    *("complex64", "string", "none", "finite"),
)
SIZES = (0, 1, 2, 3, 4, 5, 16)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-11, 1e30, 3e38, float("nan"), float("inf"), float("-inf"))
TEXTS = (
    *("", "x", "OOM when allocating", "\ud800\x00\x1b[2J\u202e::error::", "No OpKernel was registered to support Op '"),
    *("{{node a}} [Op:Conv2D] name: ", "Gradient explicitly disabled. Reason: b'no'", "Op type not registered 'X'"),
    *("{found}{wanted}{0}%s", "was explicitly assigned to /device:GPU:0"),
)
KEYS = ("default", "", "a/b", "../../x", "\ud800", "\x1b[2J", "file", "x" * 900)


def forged(draw: random.Random, steps: tuple[Step, ...]) -> list[bytes]:
    """The frames of a worker that follows its plan and invents all results."""
    frames = [encode({"kind": "sandbox", "enforced": ["files"], "missing": []})]
    loaded = False
    for number, step in enumerate(steps):
        error = draw.choice(
            [None] * 9 + [{"type": draw.choice(TEXTS), "message": draw.choice(TEXTS) * draw.randint(1, 9)}]
        )
        seconds = draw.choice([0, 0.5, 1e-300, 9e8])
        if isinstance(step, LoadStep):
            frames += [encode({"kind": "begin", "step": number})]
            frames += [encode({"kind": "load", "step": number, "seconds": seconds, "error": error})]
            loaded = error is None
        elif loaded and (step.condition == "always" or draw.random() < 0.7):
            if step.optional and draw.random() < 0.1:
                frames.append(encode({"kind": "left out", "step": number, "seconds": seconds}))
                continue
            sound = draw.random() < 0.8
            for _ in range(step.repeat):
                frames.append(encode({"kind": "begin", "step": number}))
                outputs = {} if error else dict(_outputs(draw, step, number, frames, sound=sound))
                run = {"kind": "run", "step": number, "seconds": seconds, "error": error, "outputs": outputs}
                frames.append(encode(run))
    return [*frames, encode({"kind": "done"})]


def _outputs(draw: random.Random, step: CallStep, number: int, frames: list[bytes], *, sound: bool) -> Any:
    for key in {*step.keep, draw.choice(KEYS)}:
        dtype = "float32" if sound else draw.choice(DTYPES)
        shape = (step.batch, 16) if sound else tuple(draw.choice(SIZES) for _ in range(draw.randint(0, 4)))
        if key in step.keep and draw.random() < 0.9 and dtype not in ("complex64", "string", "none", "finite"):
            filled = np.array([draw.choice(NUMBERS) for _ in range(7)])
            with np.errstate(all="ignore"):
                values = np.resize(filled, shape).astype("float32" if "float16" in dtype else dtype)
            frames.append(encode({"kind": "array", "step": number, "key": key}, values))
        yield key, {"dtype": dtype, "shape": list(shape)}


def observed(stream: bytes, steps: tuple[Step, ...], name: str) -> tuple[Observations, str | None]:
    """Return what is observed of a stream of frames, and the violation of the protocol, if there is one."""
    options = ProbeOptions()
    job = Job("/m", {}, plan_steps(MODULES[name], CONTRACTS), ("cpu",), (), options, "auto", 1)
    (task,) = job.divide(side_by_side=False)
    assert task.plan.steps == steps
    task.collector, violation = Collector(task.plan), None
    try:
        for message, array in Decoder().feed(stream):
            task.collector.take(message, array)
    except BadFrame as error:
        violation = str(error)
        task.collector.fail(interference(violation))
    job.finish()
    return job.future.result(timeout=0), violation


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", MODULES)
@given(draw=st.randoms(use_true_random=False), altered=st.integers(0, 3))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_rule_decides_on_any_results_and_every_view_shows_them(name, draw, altered, tmp_path_factory):
    module = MODULES[name]
    steps = plan_steps(module, CONTRACTS).for_one_worker()
    frames = forged(draw, steps)
    for _ in range(altered):
        place = draw.randrange(len(frames))
        frames[place : place + 1] = draw.choice([[], [frames[place]] * 2, [frames[place][::-1]], [b"\x00" * 9]])
    observations, violation = observed(b"".join(frames), steps, name)
    if altered == 0:
        assert violation is None
    context = Context(module, CONTRACTS)
    # Half of the time no failure keeps a rule from being checked, so that all of them see the results.
    assumed = list(RULES) if violation is None and draw.random() < 0.5 else []
    results = evaluate(context, RULES, assume_passed=assumed).with_observations(observations)
    assert [outcome.reason for outcome in results.outcomes if outcome.status == "broken"] == []
    if violation is not None:
        assert "module/loads" in {finding.rule for finding in results.findings}
    assert all(finding.message.isprintable() for finding in results.findings)
    assert "".join(describe(observations)).isprintable()
    module_details(context, results.findings, observations)
    save_evidence(tmp_path_factory.mktemp("evidence"), module, CONTRACTS, observations)
