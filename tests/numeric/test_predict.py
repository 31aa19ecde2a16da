import io
import json
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import numeric.data
from derive.errors import DataError, InputError
from derive.problems import load_problem
from numeric.classifier import build_classifier
from numeric.model import Model, load, save
from numeric.predict import (
    Prediction,
    as_json,
    bundled_images,
    draw,
    read_image,
    recognise,
    recognise_all,
)
from numeric.train import Settings, Training

SHAPE = (28, 28)


@pytest.fixture(scope="module")
def mnist():
    return numeric.data.load(limit=4000)


@pytest.fixture(scope="module")
def model_file(mnist, tmp_path_factory):
    """Train softmax regression briefly, and return the file that it is saved to."""
    classifier = build_classifier(load_problem("softmax-ce"), 784, 10)
    images = numeric.data.scale(mnist.train.images)
    labels = numeric.data.one_hot(mnist.train.labels, 10)
    training = Training(classifier.objective, images, labels, Settings(epochs=3))
    for _ in training.epochs():
        pass
    path = tmp_path_factory.mktemp("model") / "model.npz"
    model = Model(
        parameters=training.parameters,
        formula=classifier.formula.source,
        logits=classifier.logits,
        input="x",
        label="y",
        shapes=classifier.shapes,
        image_shape=SHAPE,
        classes=10,
        epochs=3,
        settings={},
        source="bundled MNIST",
    )
    save(model, path)
    return path


@pytest.fixture(scope="module")
def model(model_file):
    return load(model_file)


@pytest.fixture(scope="module")
def bundled(model):
    """Return the first 50 test images, from 0 to 1, and their names."""
    return bundled_images(range(50), model)


@pytest.fixture
def seven(mnist):
    """Return the first test image, a seven, as bytes of shape (28, 28)."""
    return mnist.test.images[0].reshape(SHAPE)


def write(folder, image, name="image.png", **options):
    path = folder / name
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


# --- Recognising ----------------------------------------------------------------------------------


def test_predictions_are_those_computed_by_hand(model, mnist):
    images, names = bundled_images(range(1000), model)
    z = images.astype(float) @ model.parameters["W"].T.astype(float) + model.parameters["b"].T
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    predictions = recognise(model, images, names)
    digits = [each.digit for each in predictions]
    assert digits == z.argmax(axis=1).tolist()
    # Logits of about 10 in single precision, whose unit is 6e-8.
    assert np.allclose([each.probabilities for each in predictions], p, rtol=1e-4, atol=1e-6)
    assert np.mean(digits == mnist.test.labels[:1000]) > 0.8
    assert predictions[7].image == "test image 7"


def test_probabilities_of_huge_logits_are_finite(model, bundled):
    steep = replace(model, parameters={n: 1e6 * a for n, a in model.parameters.items()})
    prediction = recognise(steep, *bundled)[0]
    assert prediction.digit == 7
    assert prediction.probabilities == tuple(np.eye(10)[7])


def test_no_image_gives_no_prediction(model):
    assert recognise(model, *bundled_images([], model)) == []


def test_logits_of_any_formula_are_computed(bundled):
    random = np.random.default_rng(0)
    parameters = {"V": random.normal(size=(30, 784)), "a": random.normal(size=(30, 1)),
                  "W": random.normal(size=(10, 30)), "c": np.array(2.0)}  # fmt: skip
    shapes = {name: list(array.shape) for name, array in parameters.items()}
    network = Model(parameters, "", "W*relu(V*x + a) + c", "x", "y", {**shapes, "x": [784, 1]},
                    SHAPE, 10, 1, {}, "")  # fmt: skip
    images, names = bundled
    V, a, W, c = parameters.values()
    z = np.maximum(images @ V.T + a.T, 0) @ W.T + c
    assert [each.digit for each in recognise(network, images, names)] == z.argmax(1).tolist()


def test_json_is_as_documented(model, bundled):
    page = json.loads(json.dumps(as_json(recognise(model, *bundled)[:2])))
    assert list(page) == ["schema", "results"]
    assert page["schema"] == 1
    assert [list(result) for result in page["results"]] == [["image", "digit", "probabilities"]] * 2
    assert page["results"][0]["image"] == "test image 0"
    assert page["results"][0]["digit"] == 7
    assert len(page["results"][0]["probabilities"]) == 10
    assert sum(page["results"][0]["probabilities"]) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"logits": "W*"}, "W*"),
        ({"logits": "softmx(W*x)"}, "softmax"),
        ({"logits": "W*x + q"}, "'q' is neither"),
        ({"logits": "W*x + y"}, "'y' is neither"),
        ({"logits": "W'*x"}, "sizes"),
        ({"logits": "x"}, r"shape is \(784, 1\), expected \(10, 1\)"),
        ({"logits": "2*b"}, "does not depend on the input 'x'"),
        ({"logits": "sum(W*x)"}, r"shape is \(\), expected \(10, 1\)"),
        ({"classes": 3}, r"shape is \(10, 1\), expected \(3, 1\)"),
        ({"image_shape": (20, 20)}, r"shape \[784, 1\], expected \[400, 1\]"),
        ({"image_shape": (-28, -28)}, "-28 × -28"),
        ({"input": "z"}, "'z' has shape None"),
        ({"shapes": {"W": [10, 784], "b": 5, "x": [784, 1]}}, "not iterable"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_model_that_does_not_fit_is_refused(model, model_file, bundled, changes, reason):
    with pytest.raises(DataError, match=reason.replace("*", r"\*")) as caught:
        recognise(replace(model, **changes), *bundled, source=str(model_file))
    assert str(caught.value).startswith(f"{model_file}: ")
    assert "again" in str(caught.value)


def test_infinite_logits_are_refused(model, bundled):
    overflowing = replace(model, logits="exp(1e9*W*x)")
    images, names = bundled
    images = images * (np.arange(50) == 3)[:, None]  # the others are dark: exp(0) is finite
    with pytest.raises(DataError, match="not finite for test image 3"):
        recognise(overflowing, images, names)


# --- Bundled images -------------------------------------------------------------------------------


def test_bundled_images_are_those_of_the_test_set(model, mnist):
    images, names = bundled_images([9999, 0], model)
    assert names == ["test image 9999", "test image 0"]
    assert np.array_equal(images, numeric.data.scale(mnist.test.images[[9999, 0]]))


@pytest.mark.parametrize("index", [-1, 10_000])
def test_an_index_out_of_range_is_refused(model, index):
    with pytest.raises(InputError, match=f"--index {index}: expected 0 to 9999"):
        bundled_images([0, index], model)


def test_bundled_images_need_a_model_of_their_size(model):
    with pytest.raises(InputError, match="28 × 28 pixels, the model takes 14 × 56"):
        bundled_images([0], replace(model, image_shape=(14, 56)))


# --- Image files ----------------------------------------------------------------------------------


def enlarged(pixels, margin=60):
    """Return a dark digit of 280 × 280 pixels on white, off the centre."""
    digit = Image.fromarray(255 - pixels).resize((280, 280), Image.Resampling.BICUBIC)
    sheet = Image.new("L", (280 + 2 * margin, 280 + margin), "white")
    sheet.paste(digit, (margin // 2, margin // 4))
    return sheet


def transparent(pixels, ink):
    """Return a digit whose shape is in the alpha channel alone."""
    image = Image.new("RGBA", SHAPE, ink)
    image.putalpha(Image.fromarray(pixels))
    return image.resize((280, 280))


def on_noisy_paper(pixels):
    sheet = np.asarray(enlarged(pixels)) / 255 * 0.6 + 0.2
    sheet += np.random.default_rng(0).normal(0, 0.02, sheet.shape)
    return Image.fromarray((255 * sheet).clip(0, 255).astype(np.uint8)).convert("RGB")


VARIANTS = {
    "inverted": lambda pixels: Image.fromarray(255 - pixels),
    "enlarged on white": enlarged,
    "black on transparent": lambda pixels: transparent(pixels, "black"),
    "white on transparent": lambda pixels: transparent(pixels, "white"),
    "noisy photograph": on_noisy_paper,
    "palette": lambda pixels: enlarged(pixels).convert("P"),
    "12 of 16 bits": lambda pixels: Image.fromarray(np.asarray(enlarged(pixels), np.uint16) * 16),
    "blue on yellow": lambda pixels: Image.merge(
        "RGB", [enlarged(pixels)] * 2 + [Image.new("L", (400, 340), 200)]
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_digit_is_recognised_however_it_is_drawn(model, mnist, bundled, tmp_path, variant):
    images, names = bundled
    drawn = [VARIANTS[variant](row.reshape(SHAPE)) for row in mnist.test.images[:50]]
    read = np.stack([read_image(write(tmp_path, each, compress_level=1), SHAPE) for each in drawn])
    original, again = recognise(model, images, names), recognise(model, read, names)
    # A model that was trained briefly is undecided about some; scaling tips a few of them.
    assert sum(a.digit == b.digit for a, b in zip(original, again, strict=True)) >= 45
    assert np.abs(read - images).mean() < 0.06


def test_an_image_of_the_models_size_on_dark_is_taken_as_it_is(mnist, tmp_path):
    pixels = mnist.test.images[3].reshape(SHAPE).copy()
    pixels[9:18, 0:28] = np.arange(252, dtype=np.uint8).reshape(9, 28)
    for image in (pixels, Image.fromarray(pixels).convert("RGB"), Image.fromarray(pixels)):
        read = read_image(write(tmp_path, image), SHAPE)
        assert np.array_equal(read, numeric.data.scale(pixels.ravel()))


def test_form_is_that_of_mnist(tmp_path):
    sheet = np.full((300, 500), 230, np.uint8)
    sheet[20:120, 400:450] = 30  # 100 × 50 pixels of ink, far from the centre
    read = read_image(write(tmp_path, sheet), SHAPE).reshape(SHAPE)
    expected = np.zeros(SHAPE)
    expected[4:24, 10:20] = 1  # a half is rounded to even
    assert np.allclose(read, expected, atol=1e-6)
    assert read.dtype == np.float32


def test_form_scales_with_the_models_size(tmp_path, seven):
    path = write(tmp_path, enlarged(seven))
    read = read_image(path, (56, 42)).reshape(56, 42)
    rows, columns = (np.flatnonzero(read.any(axis=axis)) for axis in (1, 0))
    extent = (np.ptp(rows) + 1) / 40, (np.ptp(columns) + 1) / 30
    assert max(extent) == pytest.approx(1, abs=0.05)
    assert (read.min(), read.max()) == (0, 1)


def test_centre_of_mass_is_where_it_is_in_mnist(tmp_path, mnist):
    for pixels in mnist.test.images[:20].reshape(-1, *SHAPE):
        read = read_image(write(tmp_path, enlarged(pixels)), SHAPE).reshape(SHAPE)
        for axis in (0, 1):
            centres = [m.sum(axis=axis) @ np.arange(28) / m.sum() for m in (read, pixels)]
            assert centres[0] == pytest.approx(14, abs=0.51)
            assert centres[0] == pytest.approx(centres[1], abs=1.01)


def test_a_photograph_is_turned_as_its_camera_was_held(tmp_path, seven):
    upright = read_image(write(tmp_path, enlarged(seven)), SHAPE)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90° clockwise
    turned = enlarged(seven).transpose(Image.Transpose.ROTATE_90)
    assert np.allclose(read_image(write(tmp_path, turned, exif=exif), SHAPE), upright, atol=0.01)


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp", "tiff", "webp", "ppm"])
def test_common_files_are_read_and_damaged_ones_refused(tmp_path, seven, kind):
    path = write(tmp_path, enlarged(seven).convert("RGB"), f"image.{kind}")
    expected = read_image(write(tmp_path, enlarged(seven)), SHAPE)
    assert np.abs(read_image(path, SHAPE) - expected).mean() < 0.02
    content = path.read_bytes()
    random, refusals = np.random.default_rng(0), []
    for _ in range(40):
        damaged = bytearray(content[: random.integers(1, len(content))])
        damaged[random.integers(0, min(len(damaged), 60))] ^= 1 << random.integers(0, 8)
        path.write_bytes(damaged)
        try:
            read_image(path, SHAPE)
        except InputError as error:
            refusals.append(str(error))
    assert len(refusals) > 20
    assert all(message.startswith(f"{path}: ") for message in refusals)


# --- Errors ---------------------------------------------------------------------------------------


def png_of(width, height):
    """Return a PNG that declares a size, with nothing in it."""
    stream = io.BytesIO()
    Image.new("1", (1, 1)).save(stream, "png")
    content = bytearray(stream.getvalue())
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no known kind"),
        (b"P", "no known kind"),
        (b"7\n", "no known kind"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "no known kind"),
        (png_of(10_000, 10_000), "too large"),
        (png_of(2**31 - 1, 2**31 - 1), "too large"),
        (png_of(28, 28), "truncated|cannot be read"),
    ],
    ids=["empty", "one byte", "text", "program", "large", "bomb", "no pixels"],
)
def test_a_file_that_is_no_image_is_refused(tmp_path, content, reason):
    path = tmp_path / "image.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_image(path, SHAPE)
    assert str(caught.value).startswith(f"{path}: ")
    assert "expected" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="No such file or directory"):
        read_image(tmp_path / "nowhere.png", SHAPE)
    with pytest.raises(InputError, match="Is a directory"):
        read_image(tmp_path, SHAPE)
    with pytest.raises(InputError, match="null"):
        read_image("a\0b", SHAPE)


@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", (280, 280), "white"),
        Image.new("L", SHAPE, "black"),
        Image.new("RGBA", (50, 50), (0, 0, 0, 0)),
        Image.new("I;16", (50, 50), 700),
        Image.new("L", (1, 1)),
        np.random.default_rng(0).integers(200, 210, (90, 90), np.uint8),
    ],
    ids=["white", "black", "transparent", "16 bits", "one pixel", "paper"],
)
def test_a_blank_image_is_refused(tmp_path, image):
    with pytest.raises(InputError, match="blank") as caught:
        read_image(write(tmp_path, image), SHAPE)
    assert str(tmp_path) in str(caught.value)


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    path = write(tmp_path, Image.fromarray(np.full((9, 9), np.nan, np.float32)), "image.tiff")
    with pytest.raises(InputError, match="not finite"):
        read_image(path, SHAPE)


def test_without_pillow_the_message_says_how_to_install_it(tmp_path, monkeypatch, seven):
    path = write(tmp_path, seven)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(InputError, match="Pillow") as caught:
        read_image(path, SHAPE)
    assert "pip install 'chainrule[images]'" in str(caught.value)


# --- Drawing and the whole ------------------------------------------------------------------------


def test_drawing_shows_two_rows_a_line(model, seven):
    lines = draw(numeric.data.scale(seven), SHAPE).split("\n")
    assert [len(line) for line in lines] == [28] * 14
    assert set("".join(lines)) == set(" ░▒▀▄█")
    for line, (upper, lower) in zip(lines, seven.reshape(14, 2, 28), strict=True):
        halves = [(c in "▀█", c in "▄█") for c in line]
        assert halves == list(zip(upper >= 128, lower >= 128, strict=True))


def test_drawing_of_an_odd_number_of_rows_ends_in_an_upper_half():
    assert draw(np.ones(6), (3, 2)) == "██\n▀▀"


def test_files_and_bundled_images_are_recognised_together(model_file, model, tmp_path, seven):
    path = str(write(tmp_path, seven))
    predictions, drawings = recognise_all(model_file, [path], "1,0")
    assert [each.image for each in predictions] == [path, "test image 1", "test image 0"]
    images, names = bundled_images([0, 1, 0], model)
    expected = recognise(model, images, names)
    assert [each.digit for each in predictions] == [each.digit for each in expected]
    assert isinstance(predictions[0], Prediction)
    assert drawings == [draw(image, SHAPE) for image in images]


@pytest.mark.parametrize("index", ["", "1,", "one", "1.5", "0-9", "9" * 5000])
def test_an_index_that_is_no_number_is_refused(model_file, index):
    with pytest.raises(InputError, match="--index"):
        recognise_all(model_file, [], index)


def test_no_image_at_all_is_refused(model_file):
    with pytest.raises(InputError, match="No image"):
        recognise_all(model_file, [])


def test_a_damaged_model_is_found_before_images_are_read(model, tmp_path):
    path = tmp_path / "model.npz"
    save(replace(model, image_shape=(0, 5)), path)
    with pytest.raises(DataError, match=r"model\.npz: its input"):
        recognise_all(path, ["nowhere.png"])
