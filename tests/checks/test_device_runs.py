"""What CPU and GPU tell of each other, decided without either."""

from __future__ import annotations

import numpy as np
import pytest

from hubcheck.checks import behaviour, device_runs, runs
from hubcheck.probe import devices
from hubcheck.probe.dispatch.environment import environment
from hubcheck.probe.observations import Device, Failure, Observations
from tests.checks.observed import context, faults, observations, run, skips

RESULT = np.random.default_rng(0).normal(size=(5, 16))
BOTH = ("cpu", "gpu")
ERROR = Failure("error", "it broke")
KERNEL = Failure("kernel", "the op Foo has no kernel for it")


@pytest.mark.parametrize("size", [1e-11, 1.0, 1e6])
@pytest.mark.parametrize(("apart", "wrong"), [(0, False), (1e-5, False), (1e-2, True), (np.nan, True)])
def test_results_agree_up_to_a_part_of_the_largest_value(size, apart, wrong):
    other = RESULT.copy()
    other[2, 2] += apart * np.abs(RESULT).max()
    seen = observations(run("pictures", RESULT * size), run("pictures", other * size, device="gpu"), devices=BOTH)
    found = faults(device_runs.agreement(context(), seen))
    assert bool(found) is wrong
    assert all(fault.replay[-2:] == ("--device", "all") for fault in found)
    assert all("{found}" not in (fault.message or "{found}") for fault in found), "a baseline would keep the difference"


def test_one_device_alone_cannot_disagree():
    seen = observations(run("pictures", RESULT))
    assert skips(device_runs.agreement(context(), seen)) == ["it takes a CPU and a GPU to compare"]


def test_a_fault_on_one_device_is_that_devices_fault():
    seen = observations(run("pictures", RESULT), run("pictures", failure=ERROR, device="gpu"), devices=BOTH)
    (fault,) = faults(device_runs.gpu(context(), seen))
    assert "on the GPU alone" in (fault.message or "")
    assert faults(device_runs.cpu(context(), seen)) == []
    assert faults(runs.runs(context(), seen)) == []


def test_a_fault_on_both_devices_is_the_modules_fault():
    failing = [run("pictures", failure=ERROR, device=device) for device in BOTH]
    seen = observations(*failing, devices=BOTH)
    assert faults(device_runs.gpu(context(), seen)) == []
    assert faults(device_runs.cpu(context(), seen)) == []
    assert len(faults(runs.runs(context(), seen))) == 1


def test_a_difference_that_varies_is_not_in_the_message_of_a_fault_of_one_device():
    again = run("again", RESULT * 1.1, device="gpu")
    calls = [run(purpose, RESULT, device=device) for device in BOTH for purpose in ("pictures", "again")][:-1]
    (fault,) = faults(device_runs.gpu(context(), observations(*calls, again, devices=BOTH)))
    assert fault.message == "on the GPU alone, it is not true that the module is deterministic"


def test_what_one_device_was_not_asked_it_did_not_pass():
    other = RESULT * 1.1
    seen = observations(
        *(run(purpose, RESULT) for purpose in ("pictures", "before")),
        run("reloaded", other),
        run("pictures", RESULT, device="gpu"),
        devices=BOTH,
    )
    assert len(faults(behaviour.deterministic(context(), seen))) == 1
    assert faults(device_runs.cpu(context(), seen)) == []


def test_a_missing_kernel_is_reported_for_the_cpu_and_not_for_the_signature():
    seen = observations(run("pictures", failure=KERNEL), run("three", failure=KERNEL))
    assert len(faults(device_runs.cpu(context(), seen))) == 1
    assert faults(runs.runs(context(), seen)) == []


def test_without_a_gpu_its_rules_say_why():
    absent = Observations((Device("cpu", True), Device("gpu", False, "no GPU is visible on this machine")))
    assert skips(device_runs.gpu(context(), absent)) == ["no GPU is visible on this machine"]


def test_on_a_gpu_alone_the_behaviour_rules_judge_the_gpu():
    seen = observations(run("pictures", failure=ERROR, device="gpu"), devices=("gpu",))
    assert len(faults(runs.runs(context(), seen))) == 1


@pytest.mark.parametrize(
    ("wish", "there", "run_on", "missing"),
    [
        ("cpu", True, ("cpu",), False),
        ("cpu", False, ("cpu",), False),
        ("gpu", True, ("gpu",), False),
        ("gpu", False, (), True),
        ("auto", True, ("cpu", "gpu"), False),
        ("auto", False, ("cpu",), False),
        ("all", True, ("cpu", "gpu"), False),
        ("all", False, ("cpu",), True),
    ],
)
def test_devices_are_selected_by_request_and_availability(wish, there, run_on, missing, monkeypatch):
    monkeypatch.setattr(devices, "no_gpu", lambda: None if there else "no GPU is visible on this machine")
    choice = devices.select_devices(wish)
    assert (choice.devices, choice.missing is not None) == (run_on, missing)
    assert all(not device.ran and device.reason for device in choice.absent)
    assert {device.name for device in choice.absent}.isdisjoint(run_on)


def test_the_environment_of_a_device_is_its_own():
    given = {"PATH": "/bin", "SECRET_TOKEN": "x", "CUDA_VISIBLE_DEVICES": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
    cpu, gpu = environment("cpu", given), environment("gpu", given)
    assert (cpu["CUDA_VISIBLE_DEVICES"], cpu["TF_ENABLE_ONEDNN_OPTS"]) == ("-1", "0")
    assert (gpu["CUDA_VISIBLE_DEVICES"], gpu["NVIDIA_TF32_OVERRIDE"]) == ("3", "0")
    assert gpu["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert "SECRET_TOKEN" not in {**cpu, **gpu}
    assert cpu["PATH"] == "/bin"
