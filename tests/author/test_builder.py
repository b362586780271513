"""Errors in the description of a module are raised at once, without TensorFlow."""

from __future__ import annotations

import functools

import pytest

from hubcheck import author


def module() -> author.ImageModule:
    return author.ImageModule("Net", (8, 9))


def error(call) -> str:
    with pytest.raises(author.AuthorError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["", "a/b", "1Net", None, "Net x"])
def test_an_architecture_that_cannot_be_a_key_prefix_is_refused(name):
    assert "output/key-prefix" in error(lambda: author.ImageModule(name, (8, 8)))


@pytest.mark.parametrize("size", [8, (8,), (8, 9, 3), (0, 8), (8.5, 8), ("a", "b"), None])
def test_the_image_size_must_be_two_positive_integers(size):
    assert "image-input/image-size" in error(lambda: author.ImageModule("Net", size))


def test_the_first_argument_of_a_feature_function_is_named_images():
    text = error(lambda: module().feature_vector(lambda x, training: x))
    assert "`images`" in text and "`x`" in text and "image-input/name" in text


def test_a_classification_function_takes_features_or_images():
    for function in (lambda features: features, lambda images, training: images):
        module().classification()(function)
    assert "`features` or `images`" in error(lambda: module().classification()(lambda x: x))


def test_another_argument_without_a_default_is_refused():
    assert "image-input/sole" in error(lambda: module().feature_vector(lambda images, rate: images))
    module().feature_vector(lambda images, rate=0.5: images)
    module().feature_vector(functools.partial(lambda images, rate: images, rate=0.5))


def test_a_task_has_one_function():
    made = module()
    made.feature_vector(lambda images: images)
    assert "already" in error(lambda: made.feature_vector(lambda images: images))


def test_the_decorator_leaves_the_function_as_it_is():
    def features(images):
        return images

    assert module().feature_vector(features) is features


def test_a_classification_decorator_without_parentheses_is_an_error():
    assert "parentheses" in error(lambda: module().classification(lambda images: images))


def test_classes_are_read_from_a_file(tmp_path):
    (tmp_path / "labels.txt").write_bytes("cat\r\ndog\u2028puppy\nant\x0cqueen\rking\n\n".encode())
    made = module()
    made.classification(classes=tmp_path / "labels.txt")(lambda images: images)
    assert made.tasks["image_classification"].classes == ("cat", "dog\u2028puppy", "ant\x0cqueen\rking")


def test_a_missing_or_empty_file_of_classes_is_an_error(tmp_path):
    (tmp_path / "empty.txt").touch()
    assert "No such file" in error(lambda: module().classification(classes=tmp_path / "none.txt"))
    assert "no class names" in error(lambda: module().classification(classes=tmp_path / "empty.txt"))


@pytest.mark.parametrize("names", [["cat", ""], ["cat", 3], ["two\nlines"], ["cat\n"], ["cat\r"]])
def test_each_class_is_one_line_of_text(names):
    assert "classification/labels" in error(lambda: module().classification(classes=names))


def test_a_module_without_a_task_cannot_be_exported(tmp_path):
    assert "module/task-signature" in error(lambda: module().export(tmp_path / "m"))
    assert not any(tmp_path.iterdir())


def test_classification_from_features_needs_a_feature_vector(tmp_path):
    made = module()
    made.classification()(lambda features: features)
    assert "@module.feature_vector" in error(lambda: made.export(tmp_path / "m"))


def test_a_module_with_both_tasks_needs_a_default(tmp_path):
    made = module()
    made.feature_vector(lambda images: images)
    made.classification()(lambda features: features)
    assert "default=" in error(lambda: made.export(tmp_path / "m"))
    text = error(lambda: made.export(tmp_path / "m", default="image_feature_vectors"))
    assert "did you mean 'image_feature_vector'" in text


def test_an_unknown_format_is_an_error_with_a_suggestion(tmp_path):
    made = module()
    made.feature_vector(lambda images: images)
    assert "did you mean 'tf1-hub'" in error(lambda: made.export(tmp_path / "m", format="tf1_hub"))
    assert "format must be" in error(lambda: made.export(tmp_path / "m", format=()))
