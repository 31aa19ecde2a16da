import json
import os
import pickle
import stat
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import numeric.model
from derive.errors import DataError, InputError
from numeric.files import ensure_writable
from numeric.model import (
    Model,
    Objective,
    evaluate,
    initialise,
    load,
    predict,
    save,
    versions,
)


@pytest.fixture
def model():
    return Model(
        parameters=initialise({"W": (3, 4), "b": (3, 1), "file": (2, 2)}, seed=1),
        formula="crossentropy(softmax(W*x + b), y)",
        logits="W*x + b",
        input="x",
        label="y",
        shapes={"W": [3, 4], "b": [3, 1], "file": [2, 2], "x": [4, 1], "y": [3, 1]},
        image_shape=(2, 2),
        classes=3,
        epochs=2,
        settings={"seed": 1, "lr": None, "batch_size": "all"},
        source="bundled MNIST",
    )


def linear():
    """Return least squares, z = x W', with plain sums so that a call can be followed by hand."""

    def value(W, x, y):
        return ((x @ W.T - y) ** 2).sum() / len(x)

    return Objective({"W": (3, 4)}, value, lambda **_: None, lambda W, x: x @ W.T)


def test_matrices_start_random_with_the_variance_of_their_width_and_columns_at_zero():
    start = initialise({"W": (50, 400), "b": (50, 1), "c": ()}, seed=3, dtype="float64")
    assert np.std(start["W"]) == pytest.approx(1 / 20, rel=0.03)
    assert start["b"].tolist() == [[0.0]] * 50
    assert start["c"].shape == ()
    assert {array.dtype for array in start.values()} == {np.dtype("float64")}


def test_the_seed_decides_where_parameters_start():
    first, again, other = (initialise({"W": (3, 4)}, seed=seed)["W"] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("rows", [1, 5, 100])
def test_evaluation_does_not_depend_on_how_samples_are_chunked(rows, monkeypatch):
    random = np.random.default_rng(0)
    x, labels = random.standard_normal((23, 4)), random.integers(0, 3, 23)
    y, W = np.eye(3)[labels], random.standard_normal((3, 4))
    monkeypatch.setattr(numeric.model, "_ROWS", rows)
    evaluation = evaluate(linear(), {"W": W}, x, y)
    assert np.allclose(predict(linear(), {"W": W}, x), x @ W.T, rtol=1e-14)
    assert evaluation.loss == pytest.approx(np.mean(np.sum((x @ W.T - y) ** 2, axis=1)), rel=1e-14)
    assert evaluation.accuracy == np.mean((x @ W.T).argmax(1) == labels)
    assert 0 < evaluation.accuracy < 1


def test_a_saved_model_is_read_back_whole(model, tmp_path):
    save(model, tmp_path / "model.npz")
    back = load(tmp_path / "model.npz")
    assert list(back.parameters) == ["W", "b", "file"]
    for name, array in model.parameters.items():
        assert np.array_equal(back.parameters[name], array)
        assert back.parameters[name].dtype == array.dtype
    for each in fields(Model):
        if each.name != "parameters":
            assert getattr(back, each.name) == getattr(model, each.name)
    assert back.versions == versions()
    assert back.versions["numpy"] == np.__version__


def test_a_model_file_is_an_npz_without_pickle(model, tmp_path):
    save(model, tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as archive:
        assert np.array_equal(archive["W"], model.parameters["W"])
        description = json.loads(str(archive["_description"]))
    assert description["schema"] == 1
    assert description["formula"] == "crossentropy(softmax(W*x + b), y)"


def test_equal_models_give_equal_files_of_ordinary_permissions(model, tmp_path):
    save(model, tmp_path / "one.npz")
    save(model, tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.npz") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    (tmp_path / "ordinary").touch()
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("one.npz", "ordinary")}
    assert len(modes) == 1


def test_saving_through_a_link_keeps_the_link(model, tmp_path):
    (tmp_path / "link.npz").symlink_to(tmp_path / "target.npz")
    save(model, tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert load(tmp_path / "target.npz").epochs == 2


def _no_space(*_, **__):
    raise OSError(28, "No space left on device")


def _interrupt(*_, **__):
    raise KeyboardInterrupt


BROKEN = pytest.mark.parametrize(
    ("place", "name"),
    [(os, "replace"), (os, "fsync"), (np.lib.format, "write_array")],
    ids=["replace", "fsync", "write"],
)


@BROKEN
@pytest.mark.parametrize("earlier", [False, True], ids=["new", "earlier file"])
def test_a_failed_save_leaves_what_was_there(model, tmp_path, monkeypatch, place, name, earlier):
    path = tmp_path / "model.npz"
    if earlier:
        save(model, path)
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    monkeypatch.setattr(place, name, _no_space)
    with pytest.raises(InputError, match="No space left on device") as caught:
        save(replace(model, epochs=3), path)
    assert str(path) in str(caught.value)
    assert "--save" in str(caught.value)
    assert caught.value.exit_code == 2
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == before


@BROKEN
def test_an_interrupted_save_leaves_nothing(model, tmp_path, monkeypatch, place, name):
    monkeypatch.setattr(place, name, _interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(model, tmp_path / "model.npz")
    assert list(tmp_path.iterdir()) == []


def _missing_folder(folder):
    return folder / "nowhere" / "model.npz"


def _file_as_folder(folder):
    (folder / "file").touch()
    return folder / "file" / "model.npz"


def _folder_as_file(folder):
    (folder / "model.npz").mkdir()
    return folder / "model.npz"


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (_missing_folder, "No such file or directory"),
        (_file_as_folder, "Not a directory"),
        (_folder_as_file, "not a file is in the way"),
        (lambda _: Path(os.devnull), "not a file is in the way"),
        (lambda folder: folder / ("m" * 300), "File name too long"),
    ],
    ids=["missing folder", "file as folder", "folder as file", "device", "long name"],
)
def test_an_unwritable_place_is_found_before_and_while_saving(model, tmp_path, place, reason):
    path = place(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for attempt in (ensure_writable, lambda path: save(model, path)):
        with pytest.raises(InputError, match=reason) as caught:
            attempt(path)
        assert str(path) in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_write_protected_file_is_not_replaced(model, tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    path.write_bytes(b"precious")
    monkeypatch.setattr(os, "access", lambda *_: False)  # even root is refused
    for attempt in (ensure_writable, lambda path: save(model, path)):
        with pytest.raises(InputError, match="write-protected"):
            attempt(path)
    assert path.read_bytes() == b"precious"


def test_checking_that_a_place_is_writable_leaves_it_as_it_was(tmp_path):
    (tmp_path / "old.npz").write_bytes(b"old")
    ensure_writable(tmp_path / "old.npz")
    ensure_writable(tmp_path / "new.npz")
    assert [each.name for each in tmp_path.iterdir()] == ["old.npz"]
    assert (tmp_path / "old.npz").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("place", "reason"),
    [(_missing_folder, "No such file"), (_folder_as_file, "Is a directory")],
    ids=["missing", "folder"],
)
def test_a_model_that_cannot_be_read_is_bad_input(tmp_path, place, reason):
    with pytest.raises(InputError, match=reason) as caught:
        load(place(tmp_path))
    assert caught.value.exit_code == 2


def _archive(path, **members):
    """Write an archive of the arrays, as somebody else's program could."""
    np.savez(path, **members)


def _description(model, **changes):
    described = {name: getattr(model, name) for name in numeric.model._described()}
    return np.array(json.dumps(described | {"parameters": list(model.parameters)} | changes))


class _Payload:
    def __reduce__(self):
        return os.abort, ()


DAMAGES = {
    "empty": lambda path, model: path.write_bytes(b""),
    "text": lambda path, model: path.write_bytes(b"not a model at all"),
    "pickle": lambda path, model: path.write_bytes(pickle.dumps(_Payload())),
    "cut off": lambda path, model: path.write_bytes(path.read_bytes()[:-30]),
    "zeroed content": lambda path, model: path.write_bytes(
        path.read_bytes().replace(model.parameters["W"].tobytes(), bytes(48))
    ),
    "other npz": lambda path, model: _archive(path, W=np.zeros((3, 4))),
    "no JSON": lambda path, model: _archive(path, _description=np.array("{")),
    "JSON list": lambda path, model: _archive(path, _description=np.array("[]")),
    "missing parameter": lambda path, model: _archive(path, _description=_description(model)),
    "missing field": lambda path, model: _archive(path, _description=np.array("{}")),
    "wrong field": lambda path, model: _archive(
        path, **model.parameters, _description=_description(model, formula=3)
    ),
    "image shape": lambda path, model: _archive(
        path, **model.parameters, _description=_description(model, image_shape=[1, 2, 3])
    ),
    "objects": lambda path, model: _archive(
        path,
        **(model.parameters | {"W": np.array([[_Payload()]], dtype=object)}),
        _description=_description(model),
    ),
    "shape": lambda path, model: _archive(
        path,
        **(model.parameters | {"W": np.zeros((4, 3), "float32")}),
        _description=_description(model),
    ),
    "not finite": lambda path, model: _archive(
        path,
        **(model.parameters | {"W": np.full((3, 4), np.nan)}),
        _description=_description(model),
    ),
    "not numbers": lambda path, model: _archive(
        path,
        **(model.parameters | {"W": np.full((3, 4), "a")}),
        _description=_description(model),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_a_whole_model_is_refused(model, tmp_path, damage):
    model = replace(model, parameters={n: a for n, a in model.parameters.items() if n != "file"})
    path = tmp_path / "model.npz"
    save(model, path)
    DAMAGES[damage](path, model)
    with pytest.raises(DataError) as caught:
        load(path)
    assert caught.value.exit_code == 4
    message = str(caught.value)
    assert str(path) in message
    assert "expected a model that `train --save` wrote" in message
    assert "Train it again" in message
    assert "\n" not in message


def test_fields_of_later_versions_are_passed_over(model, tmp_path):
    model = replace(model, parameters={"W": model.parameters["W"]})
    _archive(
        tmp_path / "model.npz", **model.parameters, _description=_description(model, later="field")
    )
    assert load(tmp_path / "model.npz").formula == model.formula


def test_no_flipped_bit_gives_another_model(model, tmp_path):
    path = tmp_path / "model.npz"
    save(model, path)
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            back = load(path)
        except DataError:
            refused += 1
        else:
            assert _description(back) == _description(model)
            for name, array in model.parameters.items():
                assert np.array_equal(back.parameters[name], array)
    assert refused > len(whole) / 2
