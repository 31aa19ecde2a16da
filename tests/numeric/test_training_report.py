"""The page on a training: it is whole, it says what happened, and nothing in it is a stranger's."""

import base64
import io
import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from derive.errors import InputError
from numeric.data import load
from numeric.options import TRAINING
from numeric.pictures import curve, picture
from numeric.session import training_session
from numeric.training_report import training_page

DEFAULTS = {row.names[-1].lstrip("-").replace("-", "_"): row.how.get("default") for row in TRAINING}
TITLE = '<script>alert("&")</script>'


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    problem = tmp_path_factory.mktemp("problem") / "p.toml"
    problem.write_text(
        f"title = '{TITLE}'\nformula = 'crossentropy(softmax(W*x), y)'\ndata = ['x', 'y']\n"
    )
    given = {**DEFAULTS, "shape": (), "limit": 2000, "epochs": 3, "save": None}
    found = training_session(str(problem), **given)
    list(found.epochs())
    found.evaluate()
    return found


@pytest.fixture(scope="module")
def page(session):
    return training_page(session)


@pytest.fixture(scope="module")
def root(page):
    return ElementTree.fromstring(page.partition("\n")[2])


def words(element):
    return " ".join(" ".join(element.itertext()).split())


def section(root, heading):
    (found,) = (s for s in root.iter("section") if s[0].text == heading)
    return found


def test_it_needs_nothing_else_and_has_no_script(page, root):
    assert {"script", "link", "iframe", "object"} & {
        element.tag for element in root.iter()
    } == set()
    addresses = [v for e in root.iter() for n, v in e.items() if n in {"src", "href"}]
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert re.search(r"url\(|@import|\son\w+=", page) is None


def test_what_a_user_wrote_is_text(page, root):
    assert TITLE not in page
    assert TITLE in [words(heading) for heading in root.iter("h2")]


def test_it_can_be_read_aloud(root):
    assert root.get("lang") == "en"
    assert words(root.find("head/title")) == "Training of crossentropy(softmax(W*x), y)"
    assert all(element.get("alt") for element in root.iter("img"))
    drawings = list(root.iter("svg"))
    assert len(drawings) == 2
    assert all(d.get("role") == "img" and d.get("aria-label") for d in drawings)
    assert all(h.get("scope") in {"row", "col"} for h in root.iter("th"))
    levels = [int(e.tag[1]) for e in root.iter() if re.fullmatch(r"h\d", e.tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_it_says_how_the_training_went(session, root):
    outcome = words(section(root, "Outcome"))
    assert f"{100 * session.test.accuracy:.2f} %" in outcome
    course = words(section(root, "Course"))
    for epoch in session.history:
        assert f"loss {epoch.loss:.4f}" in course
    assert "pass" in words(section(root, "Check of the gradient on the data"))
    settings = words(section(root, "Settings"))
    for text in ("batch size 128", "lr 1.0", "seed 0", "2000 training", "numpy", "sympy"):
        assert text in settings
    assert any("∂" in words(m) or "∇" in words(m) for m in root.iter("math"))


def test_the_counts_are_those_of_the_test_images(session, root):
    table = section(root, "Test images by digit").find(".//tbody")
    counts = np.array([[int(cell.text or 0) for cell in row[1:11]] for row in table])
    labels = session.dataset.test.labels
    assert counts.sum(axis=1).tolist() == np.bincount(labels).tolist()
    assert np.trace(counts) / len(labels) == pytest.approx(session.test.accuracy, abs=1e-12)


def test_the_images_are_those_that_are_taken_for_another_digit(session, root):
    images = list(section(root, "Taken for another digit").iter("img"))
    assert len(images) == 24
    for element in images:
        pattern = r"test image (\d+): (\d), taken for (\d)"
        number, digit, taken = map(int, re.fullmatch(pattern, element.get("alt")).groups())
        assert session.dataset.test.labels[number] == digit != taken
        shown = decoded(element)
        assert (shown == session.dataset.test.images[number].reshape(28, 28)).all()


def decoded(element):
    content = base64.b64decode(element.get("src").partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_picture_has_the_bytes_that_it_is_made_of():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    element = ElementTree.fromstring(picture(pixels, 'a "<b>"'))
    assert element.get("alt") == 'a "<b>"'
    assert (decoded(element) == pixels).all()


@pytest.mark.parametrize("values", [[1.0], [2, 2, 2], [1e-9, 3e-9], [-5, 1e6, 0], [0, 0]])
def test_a_curve_stays_in_its_frame_and_shows_order(values):
    root = ElementTree.fromstring(curve(range(1, len(values) + 1), values, "epoch", "loss"))
    _, _, width, height = map(float, root.get("viewBox").split())
    dots = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in root.iter("circle")]
    assert len(dots) == len(values)
    assert all(0 < x < width and 0 < y < height for x, y in dots)
    assert (
        np.argsort([-y for _, y in dots], kind="stable").tolist()
        == np.argsort(values, kind="stable").tolist()
    )
    assert len([text for text in root.iter("text") if text.get("text-anchor") == "end"]) <= 6


def test_a_curve_leaves_out_what_is_no_number():
    root = ElementTree.fromstring(curve([1, 2, 3], [1, math.nan, math.inf], "epoch", "a < b"))
    assert len(list(root.iter("circle"))) == 1
    assert "a &lt; b" in curve([1], [math.nan], "epoch", "a < b")


def test_a_report_that_cannot_be_written_is_told_before_training(tmp_path):
    given = {**DEFAULTS, "shape": (), "save": None, "report": str(tmp_path / "no" / "r.html")}
    with pytest.raises(InputError, match=r"the report cannot be written .* with --report"):
        training_session(None, **given)


def test_the_report_is_the_last_thing_that_a_training_does(tmp_path, monkeypatch):
    path = tmp_path / "r.html"
    given = {**DEFAULTS, "shape": (), "limit": 200, "epochs": 1, "report": str(path)}
    given |= {"validation": 0, "save": None}
    found = training_session(None, **given)
    list(found.epochs())
    assert not path.exists()
    lines = list(found.conclude(str(tmp_path / "m.npz")))
    assert lines[-1] == f"Report written to {path}"
    root = ElementTree.fromstring(path.read_text(encoding="utf-8").partition("\n")[2])
    assert len(list(root.iter("svg"))) == 1  # no validation, no curve of it
    assert load().source in words(section(root, "Settings"))
