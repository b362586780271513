"""Which calls are planned for a module, from its files alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcheck.module.reader import read
from hubcheck.module.tensors import Shape, Tensor
from hubcheck.module.types import Function, Module, ObjectGraph, Signature, Trace, Variant
from hubcheck.probe.plan.module_steps import ModuleSteps
from hubcheck.probe.plan.planning import plan_steps
from hubcheck.probe.plan.steps import CallStep, LoadStep, from_json, to_json
from hubcheck.rulebook.contract import SignatureContract, TensorContract, load_contracts
from tests.paths import DATA

CONTRACTS = load_contracts()


def images(*dims: int | None, dtype: str = "float32", encoding: str = "dense") -> Tensor:
    return Tensor(dtype, Shape(dims), encoding, ("images:0",))  # type: ignore[arg-type]


def module(images_tensor: Tensor, *, inputs: dict[str, Tensor] | None = None, **variant: object) -> Module:
    """Return a TF2 module whose signatures take this tensor and perhaps others."""
    given_inputs = {"images": images_tensor, **(inputs or {})}
    outputs = {"default": Tensor("float32", Shape((None, 4)), components=("out:0",))}
    other = {"default": Tensor("float32", Shape((None, 4)), components=("other:0",))}
    signatures = {
        "image_feature_vector": Signature("image_feature_vector", "", given_inputs, outputs),
        "serving_default": Signature("serving_default", "", given_inputs, other),
    }
    made = Variant(("serve",), signatures, None, None, **variant)  # type: ignore[arg-type]
    return Module(DATA, "tf2-saved-model", "saved_model.pb", (made,))


def calls(planned: ModuleSteps) -> list[CallStep]:
    return [step for step in planned.for_one_worker() if isinstance(step, CallStep) and not step.target.session]


def by_purpose(planned: ModuleSteps, signature: str = "image_feature_vector") -> dict[str, CallStep]:
    return {step.purpose: step for step in calls(planned) if step.target.signature == signature}


@given(st.integers(4, 40))
def test_the_requested_batch_size_and_smaller_ones_are_planned(larger):
    found = by_purpose(plan_steps(module(images(None, 8, 9, 3)), CONTRACTS, larger_batch=larger))
    sizes = [found[name].batch for name in ("alone", "swapped", "three", "pictures", "many")]
    assert sizes == [1, 2, 3, larger, 33]
    assert found["pictures"].inputs["images"].shape == (larger, 8, 9, 3)
    assert len(set(found["pictures"].images)) == larger
    assert found["again"].inputs == found["pictures"].inputs


def test_constant_images_are_planned_at_every_size_that_may_work():
    planned = plan_steps(module(images(None, 8, 9, 3)), CONTRACTS)
    for purpose in ("black", "gray", "white"):
        steps = [step for step in calls(planned) if step.purpose == purpose]
        assert [step.batch for step in steps] == [1, 2, 3, 5]
        assert all(step.condition == "fits" and set(step.images) == {purpose} for step in steps)


def test_a_second_load_is_asked_for_other_images_first_and_only_if_the_first_may_have_changed():
    steps = plan_steps(module(images(None, 8, 9, 3)), CONTRACTS).for_one_worker()
    number = steps.index(LoadStep(("serve",), condition="stateful"))
    first, second = steps[number + 1 : number + 3]
    assert isinstance(first, CallStep) and isinstance(second, CallStep)
    assert (first.purpose, second.purpose) == ("before", "reloaded")
    assert second.images == by_purpose(plan_steps(module(images(None, 8, 9, 3)), CONTRACTS))["pictures"].images
    assert not set(first.images) & set(second.images)


def test_a_fixed_batch_size_is_the_only_one_planned():
    found = by_purpose(plan_steps(module(images(7, 8, 9, 3)), CONTRACTS))
    assert {step.batch for step in found.values()} == {7}
    assert "alone" not in found


@pytest.mark.parametrize("batch", [0, 1 << 22])
def test_a_module_with_an_absurd_batch_size_is_not_run(batch):
    planned = plan_steps(module(images(batch, 8, 9, 3)), CONTRACTS)
    assert calls(planned) == []
    assert str(batch) in planned.not_run[0].reason


@pytest.mark.parametrize("side", [0, -3, 2**40])
def test_a_module_with_an_absurd_image_size_is_not_run(side):
    planned = plan_steps(module(images(None, side, 8, 3)), CONTRACTS)
    assert calls(planned) == []
    assert str(side) in planned.not_run[0].reason


def test_an_open_image_size_is_run_at_the_expected_size_and_a_larger_one():
    with_info = module(images(None, None, None, 3), image_size=(20, 30))
    found = by_purpose(plan_steps(with_info, CONTRACTS))
    assert (found["pictures"].size, found["resized"].size) == ((20, 30), (52, 62))


def test_images_have_three_channels_if_rank_or_channels_are_unknown():
    unknown = module(Tensor("float32", Shape(None), "dense", ("images:0",)))
    shape = by_purpose(plan_steps(unknown, CONTRACTS))["alone"].inputs["images"].shape
    assert (len(shape), shape[0], shape[3]) == (4, 1, 3)
    assert by_purpose(plan_steps(module(images(None, 8, 8, None)), CONTRACTS))["alone"].inputs["images"].shape[3] == 3


@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "bool"])
def test_inputs_have_the_declared_dtype(dtype):
    found = by_purpose(plan_steps(module(images(None, 8, 8, 3, dtype=dtype)), CONTRACTS))
    assert found["pictures"].inputs["images"].dtype == dtype


def test_a_string_input_gets_no_text_if_the_contract_wants_images():
    planned = plan_steps(module(images(None, 8, 8, 3, dtype="string")), CONTRACTS)
    assert not by_purpose(planned)
    assert any("string" in left_out.reason for left_out in planned.not_run)


@pytest.mark.parametrize(
    ("tensor", "inputs", "text"),
    [
        (images(None, 8, 8, 3), {"rate": Tensor("float32", Shape(()))}, '"rate"'),
        (images(None, 8, 8, 3, encoding="sparse"), {}, "sparse"),
        (images(None, 8, 8, 3, dtype="complex64"), {}, "complex64"),
        (images(None, 8, 8, 3, dtype="resource"), {}, "resource"),
    ],
)
def test_inputs_that_cannot_be_made_are_reported(tensor, inputs, text):
    planned = plan_steps(module(tensor, inputs=inputs), CONTRACTS)
    assert calls(planned) == []
    assert text in planned.not_run[0].reason


def test_an_input_with_a_default_value_is_an_input_all_the_same():
    made = module(images(None, 8, 8, 3), inputs={"rate": Tensor("float32", Shape(()))})
    (variant,) = made.variants
    signatures = {key: replace(value, defaults=frozenset({"rate"})) for key, value in variant.signatures.items()}
    planned = plan_steps(replace(made, variants=(replace(variant, signatures=signatures),)), CONTRACTS)
    assert not by_purpose(planned)
    assert '"rate"' in planned.not_run[0].reason


def traced(*traces: Trace) -> Module:
    return replace(module(images(None, 8, 8, 3)), objects=ObjectGraph(None, Function(traces)))


def trace(value: bool | None, **arguments: object) -> Trace:
    given_arguments = {"images": images(None, 8, 8, 3), **arguments}
    return Trace("f", given_arguments, {"": Tensor("float32", Shape((None, 4)))}, value)  # type: ignore[arg-type]


def test_training_traces_are_repeated_and_come_last():
    planned = plan_steps(traced(trace(True, training=True), trace(False, training=False)), CONTRACTS)
    repeated = [step for step in calls(planned) if step.purpose == "repeated" and step.condition == "always"]
    assert [(step.target.trace, step.repeat, step.optional) for step in repeated] == [("training=True", 24, True)]
    order = [step.purpose for step in calls(planned) if step.purpose not in ("before", "reloaded", "gradients")]
    assert "repeated" not in order[: order.index("repeated")]
    assert all(purpose == "repeated" for purpose in order[order.index("repeated") :])


def test_a_training_flag_that_is_a_tensor_is_planned_with_both_values():
    planned = plan_steps(traced(trace(None, training=Tensor("bool", Shape(())))), CONTRACTS)
    flags = {step.target.trace: step.inputs["training"].value for step in calls(planned) if step.target.trace}
    assert flags == {"training=False": False, "training=True": True}


def test_gradients_are_computed_of_one_trace_for_inference_and_one_for_training():
    steps = calls(plan_steps(traced(trace(True, training=True), trace(False, training=False)), CONTRACTS))
    planned = [step for step in steps if step.purpose == "gradients"]
    assert list(dict.fromkeys(step.target.trace for step in planned)) == ["training=False", "training=True"]
    assert {step.images[:3] for step in planned if step.batch > 2} == {("noise-0", "black", "white")}


def test_gradients_of_tf1_are_those_of_the_training_variant():
    steps = plan_steps(read(DATA / "c_dropout_on_features_train"), CONTRACTS).for_one_worker()
    targets = {step.target for step in steps if isinstance(step, CallStep) and step.purpose == "gradients"}
    assert [(target.variant, target.session) for target in targets] == [("train", True)]
    assert LoadStep(("train",), session=True) in steps


def test_a_callable_of_two_tensors_is_not_called():
    planned = plan_steps(traced(trace(None, mask=Tensor("float32", Shape((None,))))), CONTRACTS)
    assert not any(step.target.trace for step in calls(planned))
    assert any('"mask"' in entry.reason for entry in planned.not_run)


def test_a_default_signature_of_the_same_tensors_is_not_run_again():
    planned = plan_steps(read(DATA / "a_good_feature_vector"), CONTRACTS)
    assert {step.target.signature for step in calls(planned)} == {"image_feature_vector"}
    different = plan_steps(read(DATA / "n_default_differs"), CONTRACTS)
    assert {step.target.signature for step in calls(different)} == {"image_feature_vector", "default"}


def test_without_a_task_signature_a_module_is_only_loaded():
    made = module(images(None, 8, 8, 3))
    (variant,) = made.variants
    alone = {"serving_default": variant.signatures["serving_default"]}
    planned = plan_steps(replace(made, variants=(replace(variant, signatures=alone),)), CONTRACTS)
    assert planned.for_one_worker() == (LoadStep(("serve",)), LoadStep(("serve",), session=True))


def test_inputs_follow_the_shape_of_a_custom_contract():
    contract = SignatureContract(
        "audio_embedding",
        "Audio",
        "House rules",
        {"samples": TensorContract("samples", "float32", ("batch?", "samples"), low=-1, high=1)},
        {"default": TensorContract("default", "float32", ("batch?", "width"))},
    )
    made = module(images(None, 8, 8, 3))
    (variant,) = made.variants
    samples = {"samples": Tensor("float32", Shape((None, 160)), components=("samples:0",))}
    signatures = {"audio_embedding": Signature("audio_embedding", "", samples, {"default": images(None, 4)})}
    planned = plan_steps(
        replace(made, variants=(replace(variant, signatures=signatures),)), {"audio_embedding": contract}
    )
    feed = by_purpose(planned, "audio_embedding")["pictures"].inputs["samples"]
    assert (feed.shape, feed.low, feed.high) == ((5, 160), -1, 1)


def test_workers_side_by_side_make_the_same_calls_as_one():
    planned = plan_steps(read(DATA / "c_dropout_on_features_train"), CONTRACTS)
    together = [step for step in planned.for_one_worker() if isinstance(step, CallStep)]
    apart = [step for steps in planned.side_by_side() for step in steps if isinstance(step, CallStep)]
    key = lambda step: (str(step.target), step.purpose, step.target.session)  # noqa: E731
    assert sorted(apart, key=key) == sorted(together, key=key)
    for steps in planned.side_by_side():
        assert isinstance(steps[0], LoadStep)


@pytest.mark.parametrize("name", sorted(path.parent.name for path in DATA.glob("*/saved_model.pb*")))
def test_plans_of_real_modules_are_the_same_after_json(name):
    from hubcheck.probe.plan.steps import ProbePlan

    plan = ProbePlan("/m", plan_steps(read(DATA / name), CONTRACTS).for_one_worker())
    assert from_json(to_json(plan)) == plan
