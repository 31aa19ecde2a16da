import gzip
import hashlib
import itertools
import struct
import tracemalloc

import numpy as np
import pytest

import numeric.data
from derive.errors import DataError, InputError
from numeric.data import load, one_hot, scale

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx(array):
    """Return the bytes of an IDX file that holds `array`."""
    array = np.asarray(array, np.uint8)
    return (
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + bytes(array)
    )


def images(count, height=2, width=3):
    return np.arange(count * height * width).reshape(count, height, width) % 256


@pytest.fixture
def folder(tmp_path):
    """Write 24 training and 4 test images of 2 × 3 pixels."""
    (tmp_path / TRAIN_IMAGES).write_bytes(idx(images(24)))
    (tmp_path / TRAIN_LABELS).write_bytes(idx(np.arange(24) % 10))
    (tmp_path / TEST_IMAGES).write_bytes(idx(images(4)))
    (tmp_path / TEST_LABELS).write_bytes(idx([3, 1, 4, 1]))
    return tmp_path


def error_of(folder, **options):
    with pytest.raises(DataError) as caught:
        load(folder, **options)
    message = str(caught.value)
    assert caught.value.exit_code == 4
    assert message.count("\n") == 0
    assert str(folder) in message
    return message


def test_bundled_mnist_is_whole_and_known():
    mnist = load(validation=0)
    assert mnist.train.images.shape == (60_000, 784)
    assert mnist.test.images.shape == (10_000, 784)
    assert mnist.image_shape == (28, 28)
    assert mnist.train.labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert mnist.test.labels[:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]
    assert len(mnist.validation) == 0
    assert mnist.source == "bundled MNIST"


def test_attribution_stands_beside_the_bundled_files():
    text = (numeric.data._BUNDLED / "ATTRIBUTION.txt").read_text()
    assert "LeCun" in text
    assert "CC BY-SA 3.0" in text
    assert "unmodified" in text


def test_a_folder_of_any_size_is_read_row_by_row(folder):
    dataset = load(folder, validation=0)
    assert dataset.image_shape == (2, 3)
    assert dataset.classes == 10
    assert np.array_equal(dataset.train.images, images(24).reshape(24, 6))
    assert dataset.test.labels.tolist() == [3, 1, 4, 1]
    assert dataset.source == str(folder)


@pytest.mark.parametrize("suffix", ["", ".gz"], ids=["bare-name", "gz-name"])
def test_gzipped_files_are_read_like_plain_ones_whatever_they_are_called(folder, suffix):
    plain = load(folder)
    for path in list(folder.iterdir()):
        content = gzip.compress(path.read_bytes())
        path.unlink()
        path.with_name(path.name + suffix).write_bytes(content)
    zipped = load(folder)
    assert np.array_equal(zipped.train.images, plain.train.images)
    assert np.array_equal(zipped.test.labels, plain.test.labels)


def test_validation_is_the_end_of_the_training_images_and_limit_their_beginning(folder):
    dataset = load(folder, validation=4, limit=5)
    assert dataset.train.labels.tolist() == [0, 1, 2, 3, 4]
    assert dataset.validation.labels.tolist() == [0, 1, 2, 3]
    assert np.array_equal(dataset.validation.images, images(24)[20:].reshape(4, 6))
    assert len(dataset.test) == 4


def test_a_twelfth_is_held_out_by_default(folder):
    dataset = load(folder)
    assert (len(dataset.train), len(dataset.validation)) == (22, 2)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"limit": 0}, ["--limit 0", "1 to 22", "2 held out"]),
        ({"limit": -3}, ["--limit -3", "1 to 22"]),
        ({"limit": 23}, ["--limit 23", "1 to 22"]),
        ({"validation": -1}, ["--validation -1", "0 to 23"]),
        ({"validation": 24}, ["--validation 24", "0 to 23", "24 training images"]),
    ],
    ids=str,
)
def test_options_that_leave_nothing_to_train_on_are_refused(folder, options, parts):
    with pytest.raises(InputError) as caught:
        load(folder, **options)
    assert caught.value.exit_code == 2
    for part in parts:
        assert part in str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    assert "no such folder" in error_of(tmp_path / "nowhere")


def test_a_file_in_place_of_the_folder_is_told_apart(folder):
    assert "is a file, expected a folder" in error_of(folder / TRAIN_IMAGES)


@pytest.mark.parametrize("name", [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS])
def test_a_missing_file_is_named_with_both_spellings(folder, name):
    (folder / name).unlink()
    message = error_of(folder)
    assert f"neither {name} nor {name}.gz" in message
    assert "--data" in message


def test_a_folder_in_place_of_a_file_cannot_be_read(folder):
    (folder / TEST_LABELS).unlink()
    (folder / TEST_LABELS).mkdir()
    assert "cannot be read (Is a directory)" in error_of(folder)


def _declare(count):
    return lambda content: content[:4] + struct.pack(">I", count) + content[8:]


DAMAGES = {
    "empty": (lambda content: b"", ["begins with nothing", "0 bytes in all"]),
    "labels": (
        lambda content: idx(np.zeros(24)),
        ["0x00000801, labels", "expected 0x00000803, images", "swapped"],
    ),
    "two dimensions": (
        lambda content: idx(np.zeros((24, 6))),
        ["0x00000802, an IDX file of 2 dimensions", "0x00000803"],
    ),
    "floats": (lambda content: b"\0\0\x0d\x03" + content[4:], ["numbers of type 0x0d"]),
    "text": (lambda content: b"<html>not found", ["0x3c68746d", "neither an IDX nor a gzip file"]),
    "inside the header": (lambda content: content[:10], ["ends after 10 bytes", "header of 16"]),
    "short": (lambda content: content[:-1], ["24 × 2 × 3 = 144 bytes", "only 143 follow"]),
    "trailing": (lambda content: content + b"\0", ["24 × 2 × 3 = 144 bytes", "more follow"]),
    "count too low": (_declare(23), ["23 × 2 × 3 = 138 bytes", "more follow"]),
    "count too high": (_declare(25), ["25 × 2 × 3 = 150 bytes", "only 144 follow"]),
    "none": (_declare(0), ["declares 0 × 2 × 3 images", "at least one"]),
    "huge": (_declare(2**32 - 1), ["4294967295 × 2 × 3", "at most 2147483648"]),
}


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_with_what_is_wrong(folder, damage, zipped):
    change, parts = DAMAGES[damage]
    path = folder / TRAIN_IMAGES
    content = change(path.read_bytes())
    path.write_bytes(gzip.compress(content) if zipped else content)
    message = error_of(folder)
    assert str(path) in message
    for part in parts:
        assert part in message


def test_images_in_place_of_labels_are_recognised(folder):
    (folder / TEST_LABELS).write_bytes((folder / TEST_IMAGES).read_bytes())
    assert "0x00000803, images; expected 0x00000801, labels" in error_of(folder)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda zipped: zipped[:-9], "cut off"),
        (lambda zipped: zipped[:-3], "cut off"),
        (lambda zipped: zipped[:12], "cut off"),
        (lambda zipped: zipped[:-8] + b"\0\0\0\0" + zipped[-4:], "corrupt (CRC check failed"),
        (lambda zipped: zipped[:10] + b"\xff" * 8 + zipped[18:], "corrupt (Error -3"),
    ],
    ids=["in its content", "in its end mark", "in its head", "checksum", "content"],
)
def test_a_damaged_gzip_file_is_refused(folder, change, part):
    path = folder / TRAIN_IMAGES
    path.write_bytes(change(gzip.compress(path.read_bytes())))
    assert part in error_of(folder)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_a_declared_size_takes_no_memory_before_it_is_there(folder, zipped):
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**10, 2**10, 2**11)
    (folder / TRAIN_IMAGES).write_bytes(gzip.compress(header) if zipped else header)
    tracemalloc.start()
    try:
        message = error_of(folder)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "only 0 follow" in message
    assert peak < 2**24


def test_a_label_outside_the_classes_is_named_with_its_place(folder):
    (folder / TEST_LABELS).write_bytes(idx([3, 1, 10, 9]))
    assert "label 10 at index 2, expected 0 to 9" in error_of(folder)


def test_the_number_of_classes_can_be_another(folder):
    (folder / TEST_LABELS).write_bytes(idx([3, 1, 10, 11]))
    assert load(folder, classes=12).classes == 12


@pytest.mark.parametrize("name", [TRAIN_LABELS, TEST_LABELS])
def test_counts_of_images_and_labels_must_agree(folder, name):
    (folder / name).write_bytes(idx(np.zeros(7)))
    message = error_of(folder)
    assert f"and {name} 7 labels" in message
    assert "expected as many" in message


def test_training_and_test_images_must_be_of_one_size(folder):
    (folder / TEST_IMAGES).write_bytes(idx(images(4, 3, 2)))
    assert "training images are 2 × 3 pixels, test images 3 × 2" in error_of(folder)


@pytest.fixture
def bundled(folder, monkeypatch):
    """Take `folder` for the bundled data, with the checksums that it has now."""
    checksums = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()
    }
    monkeypatch.setattr(numeric.data, "_BUNDLED", folder)
    monkeypatch.setattr(numeric.data, "_CHECKSUMS", checksums)
    return folder


@pytest.mark.parametrize("name", [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS])
def test_a_bundled_file_with_another_checksum_is_refused_and_left_alone(bundled, name):
    path = bundled / name
    content = path.read_bytes()
    changed = content[:-1] + bytes([content[-1] ^ 1])
    assert load().source == "bundled MNIST"
    path.write_bytes(changed)
    with pytest.raises(DataError) as caught:
        load()
    actual, expected = (hashlib.sha256(each).hexdigest()[:8] for each in (changed, content))
    assert f"SHA-256 is {actual}…, expected {expected}…" in str(caught.value)
    assert "left as it is" in str(caught.value)
    assert path.read_bytes() == changed


def test_a_missing_bundled_file_is_the_installation_s_fault(bundled):
    (bundled / TEST_IMAGES).unlink()
    with pytest.raises(DataError, match="Reinstall chainrule, or pass --data DIR"):
        load()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pixels_become_numbers_from_0_to_1(dtype):
    scaled = scale(np.arange(256, dtype=np.uint8).reshape(2, 128), dtype)
    assert scaled.dtype == dtype
    assert scaled.shape == (2, 128)
    assert scaled.min() == 0
    assert scaled.max() == 1
    assert all(low < high for low, high in itertools.pairwise(scaled.ravel()))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_hot_rows_mark_their_label(dtype):
    rows = one_hot(np.array([2, 0, 3], np.uint8), 4, dtype)
    assert rows.dtype == dtype
    assert rows.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
