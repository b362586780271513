"""Which environment variables of the user reach the processes that run modules."""

from __future__ import annotations

from hubcheck.probe.dispatch.environment import environment

USERS = {
    **{
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "OMP_NUM_THREADS": "7",
        "XLA_FLAGS": "--xla_gpu_autotune_level=4",
        "TF_CPP_VMODULE": "x=9",
    },
    **{"AWS_SECRET_ACCESS_KEY": "s", "HUBCHECK_CACHE_KEY": "s", "GITHUB_TOKEN": "s", "LD_PRELOAD": "/x.so"},
    **{"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "2", "PYTHONPATH": "/mine"},
}


def test_settings_of_tensorflow_and_secrets_do_not_pass():
    for device in ("cpu", "gpu"):
        seen = environment(device, USERS)
        assert (seen["TF_ENABLE_ONEDNN_OPTS"], seen["OMP_NUM_THREADS"], seen["PATH"]) == ("0", "1", "/bin")
        assert seen["PYTHONPATH"] == "/mine"
        assert seen.get("XLA_FLAGS") != USERS["XLA_FLAGS"]
        passed = {"TF_ENABLE_ONEDNN_OPTS", "OMP_NUM_THREADS", "PATH", "PYTHONPATH"}
        passed |= {"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"} | ({"XLA_FLAGS"} if device == "gpu" else set())
        assert seen.keys() & USERS.keys() == passed


def test_a_run_on_a_gpu_uses_the_gpus_that_the_user_chose_and_one_on_the_cpu_none():
    assert [environment("gpu", USERS)[f"{kind}_VISIBLE_DEVICES"] for kind in ("CUDA", "HIP")] == ["1", "2"]
    assert [environment("cpu", USERS)[f"{kind}_VISIBLE_DEVICES"] for kind in ("CUDA", "HIP")] == ["-1", "-1"]
