"""The fix of a finding is for its cause: module/loads, module/servable and module/variants have several."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import tensorflow as tf

import hubcheck

pytestmark = pytest.mark.slow

v1 = tf.compat.v1
HEIGHT, WIDTH, FEATURES = 24, 32, 8
RULES = ("module/loads", "module/servable", "module/variants")


def signature(inputs, outputs):
    return v1.saved_model.predict_signature_def(inputs, outputs)


def task(images, features):
    names = ("serving_default", "image_feature_vector")
    return dict.fromkeys(names, signature({"images": images}, {"default": features}))


def called(name):
    return lambda images, features: {**task(images, features), "more": signature({name: images}, {"y": features})}


def shared(images, features):
    return {**task(images, features), "more": signature({"images": images, "again": images}, {"y": features})}


def placeholder(images, features):
    rate = v1.placeholder(tf.float32, [], name="rate")
    return {**task(images, features), "more": signature({"images": images}, {"y": features * rate})}


def local_variable(images, features):
    return task(images, features + v1.get_local_variable("offset", initializer=tf.zeros([FEATURES])))


def table(images, features):
    words = tf.lookup.KeyValueTensorInitializer([0], [1.0], tf.int64, tf.float32)
    return task(images, features + tf.lookup.StaticHashTable(words, 0.0).lookup(tf.constant([0], tf.int64)))


def pinned_saver():
    with tf.device("/device:GPU:0"):
        return {"saver": v1.train.Saver()}


def pinned_update():
    with tf.device("/device:GPU:0"):
        counter = v1.get_local_variable("counter", initializer=tf.zeros([2]))
        return {"main_op": v1.group(v1.assign(counter, tf.ones([2])))}


class Cause(NamedTuple):
    """A mistake of an exporter: the rule that finds it, words of its message and of its fix."""

    rule: str
    message: str
    fix: str
    signatures: object = task
    more: object = dict
    tags: tuple[str, ...] = ("serve",)
    hub: bool = False


CAUSES = {
    "in": Cause("module/loads", 'the input "in" of the signature more', "Give the input another name", called("in")),
    "None": Cause("module/loads", 'the input "None" of the signature more', "another name", called("None")),
    "shared": Cause(
        "module/loads", 'the inputs "again" and "images" of the signature more are one tensor, images:0',
        "as one input", shared,
    ),
    "placeholder": Cause(
        "module/loads", "a signature needs a placeholder that is not among its inputs (node rate)",
        "placeholder_with_default", placeholder,
    ),
    "local variable": Cause("module/servable", "offset", "Track every variable and table", local_variable),
    "table": Cause("module/servable", "able not initialized", "Track every variable and table", table),
    "saver": Cause("module/servable", "GPU:0", "without device pins", more=pinned_saver),
    "main op": Cause("module/servable", "GPU:0", "without device pins", more=pinned_update),
    "tag train": Cause("module/variants", "there is no inference variant", "the tag serve", tags=("train",)),
    "tag serve": Cause(
        "module/variants", "there is no inference variant", "the empty tag set", hub=True
    ),
}  # fmt: skip


def write(path, cause):
    config = v1.ConfigProto(allow_soft_placement=True)
    with tf.Graph().as_default(), v1.Session(config=config) as session:
        images = v1.placeholder(tf.float32, [None, HEIGHT, WIDTH, 3], name="images")
        kernel = v1.get_variable("kernel", initializer=tf.ones([3, 3, 3, FEATURES]), use_resource=True)
        features = tf.reduce_mean(tf.nn.elu(tf.nn.conv2d(images, kernel, 2, "SAME")), [1, 2])
        signatures = cause.signatures(images, features)
        if cause.hub:
            signatures["default"] = signatures.pop("serving_default")
        more = cause.more()
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer(), v1.tables_initializer()])
        builder = v1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(session, cause.tags, signatures, **more)
        builder.save()
    if cause.hub:
        Path(path, "tfhub_module.pb").write_bytes(b"\x08\x03")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("causes")
    for name, cause in CAUSES.items():
        write(folder / name, cause)
    return dict(zip(CAUSES, hubcheck.validate([folder / name for name in CAUSES]).modules, strict=True))


@pytest.mark.parametrize("name", CAUSES)
def test_the_message_names_the_cause_and_the_fix_removes_it(name, reports):
    cause = CAUSES[name]
    found = [finding for finding in reports[name].findings if finding.rule in RULES]
    assert [finding.rule for finding in found] == [cause.rule], found
    assert cause.message in found[0].message, found[0].message
    assert cause.fix in found[0].fix, found[0].fix


def test_a_place_in_the_files_is_that_of_the_finding(reports):
    for name, key in (("in", "in"), ("shared", None)):
        (found,) = (finding for finding in reports[name].findings if finding.rule == "module/loads")
        assert (found.where.signature, found.where.side, found.where.key) == ("more", "inputs", key)
