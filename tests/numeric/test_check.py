from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.errors import InputError
from numeric.check import Report, Verdict, check

A = np.random.default_rng(7).normal(size=(4, 4))
SCALES = (1e-150, 1e-6, 1.0, 1e6)


def logsumexp(z):
    return z.max() + np.log(np.exp(z - z.max()).sum())


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def tanh_network_gradient(W, V, x):
    hidden = np.tanh(W @ x)
    out = np.tanh(V @ hidden)
    d_out = 2 * out * (1 - out**2)
    d_hidden = (V.T @ d_out) * (1 - hidden**2)
    return {"V": d_out @ hidden.T, "W": d_hidden @ x.T, "x": W.T @ d_hidden}


def cross_entropy_gradient(W, x, b, y):
    residual = softmax(W @ x + b) - y
    return {"W": residual @ x.T, "b": residual}


def relu_gradient(W, x):
    a = np.maximum(W @ x, 0)
    return {"W": 2 * a @ x.T, "x": 2 * W.T @ a}


def network_gradient(W, V, x):
    z = W @ x
    ones = np.ones((V.shape[0], 1))
    d_hidden = (V.T @ ones) * (z > 0)
    return {"W": d_hidden @ x.T, "V": ones @ np.maximum(z, 0).T, "x": W.T @ d_hidden}


def case(value, gradients, shapes, *, kinks=None, draw=np.random.Generator.normal, data=None):
    return SimpleNamespace(
        value=value, gradients=gradients, shapes=shapes, kinks=kinks, draw=draw, data=data or {}
    )


def decades(low, high):
    return lambda rng, size: 10 ** rng.uniform(low, high, size)


CASES = {
    "quadratic": case(
        lambda x: (x.T @ A @ x).item(), lambda x: {"x": (A + A.T) @ x}, {"x": (4, 1)}
    ),
    "least squares": case(
        lambda A, x, b: np.sum((A @ x - b) ** 2),
        lambda A, x, b: {
            "A": 2 * (A @ x - b) @ x.T,
            "x": 2 * A.T @ (A @ x - b),
            "b": 2 * (b - A @ x),
        },
        {"A": (5, 3), "x": (3, 1), "b": (5, 1)},
    ),
    "log-sum-exp": case(lambda x: logsumexp(x), lambda x: {"x": softmax(x)}, {"x": (6, 1)}),
    "cross-entropy": case(
        lambda W, x, b, y: logsumexp(W @ x + b) - np.sum(y * (W @ x + b)),
        cross_entropy_gradient,
        {"W": (4, 4), "x": (4, 1), "b": (4, 1)},
        data={"y": np.eye(4)[:, [2]]},
    ),
    "tanh network": case(
        lambda W, V, x: np.sum(np.tanh(V @ np.tanh(W @ x)) ** 2),
        tanh_network_gradient,
        {"W": (4, 3), "V": (2, 4), "x": (3, 1)},
    ),
    "exponential": case(
        lambda x: np.sum(np.exp(5 * x)), lambda x: {"x": 5 * np.exp(5 * x)}, {"x": (5, 1)}
    ),
    "reciprocal": case(
        lambda x: np.sum(1 / x), lambda x: {"x": -1 / x**2}, {"x": (4, 1)}, draw=decades(-2, 1)
    ),
    "root": case(
        lambda x: np.sum(np.sqrt(x)),
        lambda x: {"x": 0.5 / np.sqrt(x)},
        {"x": (4, 1)},
        draw=decades(-4, 1),
    ),
    "log-det": case(
        lambda X: np.linalg.slogdet(X)[1], lambda X: {"X": np.linalg.inv(X).T}, {"X": (4, 4)}
    ),
    "norm": case(
        lambda x: np.linalg.norm(x), lambda x: {"x": x / np.linalg.norm(x)}, {"x": (5, 1)}
    ),
    "scalar": case(lambda a: np.sin(a) * a, lambda a: {"a": np.cos(a) * a + np.sin(a)}, {"a": ()}),
    "relu": case(
        lambda W, x: np.sum(np.maximum(W @ x, 0) ** 2),
        relu_gradient,
        {"W": (4, 3), "x": (3, 1)},
        kinks=lambda W, x: [W @ x],
    ),
    "relu network": case(
        lambda W, V, x: np.sum(V @ np.maximum(W @ x, 0)),
        network_gradient,
        {"W": (5, 3), "V": (2, 5), "x": (3, 1)},
        kinks=lambda W, V, x: [W @ x],
    ),
}
EACH_CASE = pytest.mark.parametrize("name", CASES)


def draw(name, seed):
    rng = np.random.default_rng(seed)
    found = CASES[name]
    return {n: np.asarray(found.draw(rng, size=s)) for n, s in found.shapes.items()} | found.data


def run(name, points, *, scale=1.0, mutate=None, wrt=None, **options) -> Report:
    """Check a case with its loss scaled, and its gradients mutated."""
    found = CASES[name]

    def gradients(**point):
        claims = {n: scale * g for n, g in found.gradients(**point).items()}
        return claims if mutate is None else {n: mutate(np.asarray(g)) for n, g in claims.items()}

    return check(
        lambda **point: scale * found.value(**point),
        gradients,
        points,
        kinks=options.pop("kinks", found.kinks),
        wrt=wrt,
        **options,
    )


def median_entry(gradient):
    sizes = np.abs(gradient.ravel())
    others = np.flatnonzero(sizes)
    return others[np.argsort(sizes[others])][others.size // 2]


def at_median(change):
    def mutate(gradient):
        mutant = gradient.copy()
        if not gradient.any():
            return mutant
        mutant.flat[median_entry(gradient)] = change(gradient.flat[median_entry(gradient)])
        return mutant

    return mutate


def swapped(gradient):
    mutant = gradient.copy().ravel()
    low, high = np.argmin(mutant), np.argmax(mutant)
    mutant[[low, high]] = mutant[[high, low]]
    return mutant.reshape(gradient.shape)


def row_zeroed(gradient):
    mutant = gradient.copy()
    mutant[np.argmax(np.abs(gradient).sum(axis=-1))] = 0
    return mutant


MUTANTS = {
    "sign": lambda g: -g,
    "doubled": lambda g: 2 * g,
    "halved": lambda g: g / 2,
    "zero": lambda g: 0 * g,
    "transposed": lambda g: g.T,
    "rolled": lambda g: np.roll(g, 1),
    "row zeroed": row_zeroed,
    "two entries swapped": swapped,
    "sign of one entry": at_median(lambda v: -v),
    "all by 1e-6": lambda g: g * (1 + 1e-6),
    "all by 1e-8": lambda g: g * (1 + 1e-8),
    "one by 1e-6": at_median(lambda v: v * (1 + 1e-6)),
    "one by 1e-7": at_median(lambda v: v * (1 + 1e-7)),
}
EACH_MUTANT = pytest.mark.parametrize("mutant", MUTANTS)
EACH_SCALE = pytest.mark.parametrize("scale", SCALES)


def applied(mutant, gradient):
    """Return a mutated gradient, None where the mutation changes nothing or the shape."""
    if not gradient.any() or (gradient.ndim == 0 and mutant == "row zeroed"):
        return None
    changed = MUTANTS[mutant](gradient)
    same = changed.shape != gradient.shape or np.array_equal(changed, gradient)
    return None if same else changed


@EACH_CASE
@EACH_SCALE
def test_right_gradients_pass(name, scale):
    alarms = []
    for seed in range(20):
        point = draw(name, seed)
        report = run(name, [point], scale=scale)
        if CASES[name].value(**point) == 0:  # a ReLU network that is dead there
            assert report.verdict == Verdict.INCONCLUSIVE
            continue
        alarms += [(seed, v.name, v.reason) for v in report.variables if v.verdict != "pass"]
        assert all(v.error < 1e-9 for v in report.variables), seed
    assert not alarms


@EACH_CASE
@EACH_MUTANT
def test_wrong_gradients_fail_at_every_scale(name, mutant):
    missed, misplaced, seen = [], [], 0
    for seed, scale in enumerate(SCALES):
        point = draw(name, seed)
        for variable, right in CASES[name].gradients(**point).items():
            if applied(mutant, np.asarray(right)) is None:
                continue
            seen += 1
            (found,) = run(
                name, [point], scale=scale, mutate=MUTANTS[mutant], wrt=[variable]
            ).variables
            if found.verdict != Verdict.FAIL:
                missed.append((seed, scale, variable, found))
            elif "one" in mutant and found.worst.index != np.unravel_index(
                median_entry(right), np.shape(right)
            ):
                misplaced.append((seed, scale, variable, found))
    assert not missed
    assert not misplaced
    assert seen or mutant in ("transposed", "rolled", "two entries swapped", "row zeroed")


def test_several_points_must_all_pass():
    points = [{"x": np.array([[1.0], [2.0]])}, {"x": np.array([[0.5], [3.0]])}]
    wrong_at_second = lambda x: {"x": 3 * x**2 + (x[0, 0] < 0.9)}  # noqa: E731
    report = check(lambda x: np.sum(x**3), lambda x: {"x": 3 * x**2}, points)
    assert report.verdict == Verdict.PASS
    assert report.variables[0].points == 2
    report = check(lambda x: np.sum(x**3), wrong_at_second, points)
    assert report.verdict == Verdict.FAIL
    assert report.variables[0].worst.point == 1
    assert report.variables[0].reason.endswith("at point 1: expected 27, got 28")


def test_the_record_of_a_pass():
    point = {"x": np.array([[1.0], [2.0]])}
    (found,) = check(lambda x: np.sum(x**3), lambda x: {"x": 3 * x**2}, [point]).variables
    assert (found.name, found.shape, found.points, found.reason) == ("x", (2, 1), 1, "")
    assert found.error < 1e-12
    assert 0 < found.detection_floor < 1e-8
    assert found.worst.expected == pytest.approx(found.worst.got)
    assert found.evaluations <= 30


@EACH_SCALE
def test_detection_floor_is_what_is_seen(scale):
    name = "tanh network"
    for seed in range(5):
        point = draw(name, seed)
        (found,) = run(name, [point], scale=scale, wrt=["W"]).variables
        seen = run(
            name,
            [point],
            scale=scale,
            wrt=["W"],
            mutate=at_median(lambda v, e=3 * found.detection_floor: v * (1 + e)),
        )
        assert seen.verdict == Verdict.FAIL, seed


class TestZero:
    @EACH_SCALE
    def test_gradient_of_a_constant(self, scale):
        point = {"x": np.array([[1.0], [2.0]])}
        value = lambda x: scale * 3.0  # noqa: E731
        assert check(value, lambda x: {"x": 0 * x}, [point]).verdict == Verdict.PASS
        for wrong in (1.0, 1e-6):
            report = check(value, lambda x, w=wrong: {"x": w * scale + 0 * x}, [point])
            assert report.verdict == Verdict.FAIL

    def test_gradient_of_zero(self):
        point = {"x": np.array([[1.0], [2.0]])}
        assert check(lambda x: 0.0, lambda x: {"x": 0 * x}, [point]).verdict == Verdict.INCONCLUSIVE
        assert check(lambda x: 0.0, lambda x: {"x": 1e-9 + 0 * x}, [point]).verdict == Verdict.FAIL

    @pytest.mark.parametrize("factor", [-2000, 7])
    def test_value_that_underflows(self, factor):
        """What is 0 at a point agrees with 0 times anything; a point beside it decides."""
        value = lambda x: np.exp(-1000 * np.sum(x**2))  # noqa: E731 - as short as its mathematics
        gradient = lambda x: {"x": factor * x * value(x)}  # noqa: E731 - beside its value
        far, near = {"x": np.array([[1.0], [2.0]])}, {"x": np.array([[0.01], [-0.02]])}
        (found,) = check(value, gradient, [far]).variables
        assert found.verdict == Verdict.INCONCLUSIVE
        assert "are 0 at every point" in found.reason
        right = Verdict.PASS if factor == -2000 else Verdict.FAIL
        assert check(value, gradient, [far, near]).verdict == right

    @pytest.mark.parametrize("seed", range(20))
    def test_gradient_that_is_zero_but_for_round_off(self, seed):
        def gradient(x):
            norm = np.linalg.norm(x)
            return {"x": 2 * x / norm**2 - 2 * x * np.sum(x * x) / norm**4}

        point = {"x": np.random.default_rng(seed).normal(size=(5, 1))}
        value = lambda x: np.sum(x * x) / np.linalg.norm(x) ** 2  # noqa: E731
        assert check(value, gradient, [point]).verdict == Verdict.PASS
        assert check(value, lambda x: {"x": 1e-9 * x}, [point]).verdict == Verdict.FAIL

    @pytest.mark.parametrize("seed", range(10))
    def test_gradient_at_a_minimum(self, seed):
        rng = np.random.default_rng(seed)
        matrix, b = rng.normal(size=(6, 3)), rng.normal(size=(6, 1))
        x = np.linalg.lstsq(matrix, b, rcond=None)[0]
        report = run("least squares", [{"A": matrix, "x": x, "b": b}])
        assert report.verdict == Verdict.PASS

    @pytest.mark.parametrize("variable", ["W", "V", "x"])
    def test_variables_that_are_zero(self, variable):
        point = draw("tanh network", 0)
        point[variable] *= 0
        assert run("tanh network", [point]).verdict == Verdict.PASS
        softmax_point = draw("cross-entropy", 0)
        softmax_point["W"] *= 0
        assert run("cross-entropy", [softmax_point]).verdict == Verdict.PASS
        assert (
            run("cross-entropy", [softmax_point], mutate=lambda g: g * (1 + 1e-6)).verdict
            == Verdict.FAIL
        )


class TestLostInRoundOff:
    def test_beside_a_large_constant(self):
        point = draw("exponential", 0)
        value, gradients = CASES["exponential"].value, CASES["exponential"].gradients
        for factor in (1, 2):
            report = check(
                lambda x: 1e16 + value(x), lambda x, f=factor: {"x": f * gradients(x)["x"]}, [point]
            )
            assert report.verdict == Verdict.INCONCLUSIVE
            assert report.variables[0].reason

    @pytest.mark.parametrize(
        ("value", "slope"),
        [
            (lambda t: np.log(1 + t**4), lambda t: 4 * t**3 / (1 + t**4)),
            (lambda t: np.sqrt(1 + t**4) - 1, lambda t: 2 * t**3 / np.sqrt(1 + t**4)),
            (lambda t: (np.cos(t) - 1) ** 2, lambda t: -2 * np.sin(t) * (np.cos(t) - 1)),
            (
                lambda t: (1 - np.sqrt(1 + t * t)) ** 3,
                lambda t: -3 * (1 - np.sqrt(1 + t * t)) ** 2 * t / np.sqrt(1 + t * t),
            ),
        ],
    )
    def test_small_terms_that_a_one_absorbs_are_never_failed(self, value, slope):
        """1 + t⁴ stands still, and then moves in jumps that are larger than what is claimed."""
        for t in 10 ** np.random.default_rng(0).uniform(-9, -1, 60):
            report = check(value, lambda t: {"t": slope(t)}, [{"t": t}])
            assert report.verdict != Verdict.FAIL, (t, report)
        wrong = check(value, lambda t: {"t": slope(t) * (1 + 1e-5)}, [{"t": 0.1}])
        assert wrong.verdict == Verdict.FAIL

    @pytest.mark.parametrize("gap", [20, 30, 40, 100])
    def test_saturated_softmax_is_never_failed(self, gap):
        for seed in range(10):
            point = draw("cross-entropy", seed)
            point["b"] = gap * np.array([[0.0], [0.0], [1.0], [-1.0]])
            report = run("cross-entropy", [point])
            assert report.verdict != Verdict.FAIL, (seed, report)

    @pytest.mark.parametrize("gap", [20, 100, 1e4])
    def test_softmax_saturated_at_the_wrong_class_passes(self, gap):
        for seed in range(10):
            point = draw("cross-entropy", seed)
            point["b"] = gap * np.array([[0.0], [1.0], [0.0], [-1.0]])
            assert run("cross-entropy", [point]).verdict == Verdict.PASS, seed
            wrong = run("cross-entropy", [point], mutate=lambda g: g * (1 + 1e-6))
            assert wrong.verdict == Verdict.FAIL, seed

    def test_ill_conditioned_matrices(self):
        for seed in range(10):
            rng = np.random.default_rng(seed)
            left, right = (np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(2))
            point = {"X": left @ np.diag([1, 1, 1e-4, 1e-9]) @ right}
            assert run("log-det", [point]).verdict != Verdict.FAIL, seed

    def test_float32_code_in_float64(self):
        value = lambda x: np.float32(np.sum(np.exp(x.astype(np.float32))))  # noqa: E731
        gradients = lambda x: {"x": np.exp(x.astype(np.float32))}  # noqa: E731
        point = {"x": np.linspace(0.2, 1.5, 5)[:, None]}
        assert check(value, gradients, [point]).verdict == Verdict.INCONCLUSIVE
        assert check(value, gradients, [point], limit=1e-2).verdict == Verdict.PASS
        wrong = lambda x: {"x": 1.1 * gradients(x)["x"]}  # noqa: E731
        assert check(value, wrong, [point], limit=1e-2).verdict == Verdict.FAIL


def near_kink(name, seed, distance):
    """Draw a point at which the first argument of relu has the given value, but for round-off."""
    point = draw(name, seed)
    W, x = point["W"], point["x"]
    W[0] -= ((W[0] @ x).item() - distance) * x[:, 0] / np.sum(x * x)
    return point


class TestKinks:
    @pytest.mark.parametrize("name", ["relu", "relu network"])
    @pytest.mark.parametrize("exponent", [3, 6, 8, 9, 10, 11, 12])
    def test_near_a_kink(self, name, exponent):
        verdicts = []
        for seed in range(30):
            point = near_kink(name, seed, (-1) ** seed * 10.0**-exponent)
            right = CASES[name].gradients(**point)
            verdicts += [v.verdict for v in run(name, [point]).variables]
            assert Verdict.FAIL not in verdicts, seed
            wrong = run(name, [point], mutate=lambda g: g * (1 + 1e-4))
            passed = [v.name for v in wrong.variables if v.verdict == Verdict.PASS]
            assert not any(right[name].any() for name in passed), seed
        assert verdicts.count(Verdict.PASS) >= 0.9 * len(verdicts)

    @pytest.mark.parametrize("exponent", [13, 14, 15, 16, None])
    def test_at_a_kink_but_for_round_off(self, exponent):
        for seed in range(30):
            distance = 0.0 if exponent is None else (-1) ** seed * 10.0**-exponent
            point = near_kink("relu network", seed, distance)
            assert run("relu network", [point]).verdict != Verdict.FAIL, seed

    def test_exactly_at_a_kink_the_sides_are_reported(self):
        point = {"x": np.array([[0.0], [2.0]])}
        value, kinks = lambda x: np.sum(np.abs(x)), lambda x: [x]
        (found,) = check(value, lambda x: {"x": np.sign(x)}, [point], kinks=kinks).variables
        assert found.verdict == Verdict.INCONCLUSIVE
        assert found.worst.index == (0, 0)
        assert found.worst.left == pytest.approx(-1)
        assert found.worst.right == pytest.approx(1)
        assert (
            found.reason
            == "entry [0, 0] at point 0: at a kink, expected -1 (left) to 1 (right), got 0"
        )
        assert found.detection_floor is None

    def test_a_claim_outside_of_the_sides_fails(self):
        point = {"x": np.array([[0.0], [2.0]])}
        value, kinks = lambda x: np.sum(np.abs(x)), lambda x: [x]
        wrong = lambda x: {"x": np.array([[1.001], [1.0]])}  # noqa: E731
        (found,) = check(value, wrong, [point], kinks=kinks).variables
        assert found.verdict == Verdict.FAIL
        assert found.worst.index == (0, 0)

    def test_an_entry_away_from_the_kink_still_fails(self):
        point = {"x": np.array([[0.0], [2.0]])}
        wrong = lambda x: {"x": np.array([[0.0], [1.0 + 1e-6]])}  # noqa: E731
        (found,) = check(lambda x: np.sum(np.abs(x)), wrong, [point], kinks=lambda x: [x]).variables
        assert found.verdict == Verdict.FAIL
        assert found.worst.index == (1, 0)

    def test_zero_times_the_variable_is_no_kink(self):
        point = {"x": np.array([[1.0], [2.0]])}
        value = lambda x: np.sum(np.maximum(0 * x, 0) + x**2)  # noqa: E731
        report = check(value, lambda x: {"x": 2 * x}, [point], kinks=lambda x: [0 * x])
        assert report.verdict == Verdict.PASS

    @pytest.mark.parametrize("exponent", [1, 3, 6, 9, 12, 16])
    def test_without_the_kinks_right_gradients_do_not_fail(self, exponent):
        for seed in range(20):
            point = near_kink("relu network", seed, (-1) ** seed * 10.0**-exponent)
            assert run("relu network", [point], kinks=None).verdict != Verdict.FAIL, seed


class TestNotFinite:
    point = {"x": np.array([[1.0], [2.0]])}  # noqa: RUF012

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_value(self, bad):
        report = check(lambda x: bad, lambda x: {"x": 2 * x}, [self.point])
        assert report.verdict == Verdict.INCONCLUSIVE
        assert f"the value is {bad}" in report.variables[0].reason

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_gradient_entry(self, bad):
        wrong = lambda x: {"x": np.where(x > 1.5, bad, 2 * x)}  # noqa: E731
        (found,) = check(lambda x: np.sum(x**2), wrong, [self.point]).variables
        assert found.verdict == Verdict.FAIL
        assert found.worst.index == (1, 0)
        assert found.error is None
        assert "expected 4, got" in found.reason

    def test_value_and_gradient(self):
        value = lambda x: np.sum(np.log(x - 1))  # noqa: E731
        report = check(value, lambda x: {"x": 1 / (x - 1)}, [self.point])
        assert report.verdict == Verdict.INCONCLUSIVE

    def test_gradient_at_the_end_of_the_domain(self):
        point = {"x": np.array([[0.0], [2.0]])}
        report = check(lambda x: np.sum(np.sqrt(x)), lambda x: {"x": 0.5 / np.sqrt(x)}, [point])
        assert report.verdict == Verdict.INCONCLUSIVE

    def test_a_norm_that_is_zero_all_around_the_point(self):
        """|x| − x is 0 at every positive x: the value is smooth, and its gradient written 0/0."""
        value = lambda x: np.linalg.norm(np.abs(x) - x)  # noqa: E731
        undefined = lambda x: {"x": np.full(x.shape, np.nan)}  # noqa: E731
        report = check(value, undefined, [self.point], kinks=lambda x: [value(x)])
        assert report.verdict == Verdict.INCONCLUSIVE
        assert check(value, undefined, [self.point]).verdict == Verdict.FAIL
        ones = lambda x: {"x": np.ones(x.shape)}  # noqa: E731
        assert check(value, ones, [self.point], kinks=lambda x: [value(x)]).verdict == Verdict.FAIL

    def test_a_large_gradient_with_one_nan(self):
        point = {"x": np.linspace(1, 2, 1000)[:, None]}

        def wrong(x):
            found = 2 * x
            found[700] = np.nan
            return {"x": found}

        (found,) = check(lambda x: np.sum(x**2), wrong, [point]).variables
        assert found.verdict == Verdict.FAIL
        assert found.worst.index == (700, 0)

    def test_one_failing_point_outweighs_one_open(self):
        points = [self.point, {"x": np.array([[-1.0], [2.0]])}]
        wrong = lambda x: {"x": 3 / x}  # noqa: E731
        assert check(lambda x: np.sum(np.log(x)), wrong, points).verdict == Verdict.FAIL
        right = lambda x: {"x": 1 / x}  # noqa: E731
        assert check(lambda x: np.sum(np.log(x)), right, points).verdict == Verdict.INCONCLUSIVE


class TestClaims:
    point = {"x": np.array([[1.0], [2.0]])}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("claim", "reason"),
        [
            (np.ones(2), "shape (2,), expected (2, 1)"),
            (np.ones((1, 2)), "shape (1, 2), expected (2, 1)"),
            (np.float64(1), "shape (), expected (2, 1)"),
            (np.ones((2, 1), complex), "expected real numbers, got complex128"),
        ],
    )
    def test_claims_that_cannot_be_right(self, claim, reason):
        (found,) = check(lambda x: np.sum(x), lambda x: {"x": claim}, [self.point]).variables
        assert (found.verdict, found.reason) == (Verdict.FAIL, reason)
        assert found.worst is None

    def test_a_missing_gradient(self):
        report = check(lambda x: np.sum(x), lambda x: {}, [self.point], wrt=["x"])
        assert report.verdict == Verdict.FAIL
        assert report.variables[0].reason == "no gradient was returned"

    def test_a_gradient_that_raises_is_open_or_wrong_but_never_right(self):
        def singular(x):
            raise np.linalg.LinAlgError

        report = check(lambda x: np.sum(x), singular, [self.point], wrt=["x"])
        assert report.verdict == Verdict.FAIL

    def test_integer_claims_and_points(self):
        report = check(
            lambda x: np.sum(x),
            lambda x: {"x": np.ones((2, 1), int)},
            [{"x": np.array([[1], [2]])}],
        )
        assert report.verdict == Verdict.PASS

    def test_only_what_is_asked_for(self):
        report = run("tanh network", [draw("tanh network", 0)], wrt=["V"])
        assert [v.name for v in report.variables] == ["V"]

    def test_errors_of_use(self):
        with pytest.raises(InputError, match="no points"):
            check(lambda x: 0.0, lambda x: {}, [])
        with pytest.raises(InputError, match="at least 1, got 0"):
            check(lambda x: 0.0, lambda x: {}, [self.point], directions=0)
        with pytest.raises(InputError, match="point 0 has only x"):
            check(lambda x: 0.0, lambda x: {}, [self.point], wrt=["y"])
        with pytest.raises(InputError, match="real numbers"):
            check(lambda x: 0.0, lambda x: {"x": x}, [{"x": np.array(["a"])}])
        with pytest.raises(InputError, match="one real number"):
            check(lambda x: x, lambda x: {"x": x}, [self.point])

    def test_empty_variables_decide_nothing(self):
        report = check(lambda x: 1.0, lambda x: {"x": x}, [{"x": np.ones((0, 1))}])
        assert report.verdict == Verdict.INCONCLUSIVE


class TestLarge:
    """Softmax regression at its full size, 784 × 10."""

    @staticmethod
    def point(seed, samples=30, weights=0.05):
        rng = np.random.default_rng(seed)
        return {
            "W": weights * rng.normal(size=(10, 784)),
            "b": weights * rng.normal(size=(10, 1)),
            "X": np.maximum(rng.normal(size=(samples, 784)) - 0.5, 0),
            "Y": np.eye(10)[rng.integers(0, 10, samples)],
        }

    @staticmethod
    def value(W, b, X, Y):
        z = X @ W.T + b.T
        top = z.max(axis=1, keepdims=True)
        return np.mean(top[:, 0] + np.log(np.exp(z - top).sum(axis=1)) - np.sum(z * Y, axis=1))

    @staticmethod
    def gradients(W, b, X, Y):
        z = X @ W.T + b.T
        e = np.exp(z - z.max(axis=1, keepdims=True))
        residual = (e / e.sum(axis=1, keepdims=True) - Y) / len(X)
        return {"W": residual.T @ X, "b": residual.sum(axis=0)[:, None]}

    def mutated(self, change):
        def gradients(**point):
            return {"W": change(self.gradients(**point)["W"])}

        return gradients

    @EACH_SCALE
    @pytest.mark.parametrize("weights", [0.05, 0.0])
    def test_right_gradients_pass_with_few_evaluations(self, scale, weights):
        for seed in range(5):
            report = check(
                lambda **p: scale * self.value(**p),
                lambda **p: {n: scale * g for n, g in self.gradients(**p).items()},
                [self.point(seed, weights=weights)],
                seed=seed,
            )
            assert report.verdict == Verdict.PASS, (seed, report)
            assert report.variables[0].evaluations <= 300, seed
            assert report.variables[0].detection_floor < 1e-6, seed

    @pytest.mark.parametrize("exponent", [6, 7])
    def test_one_median_entry_is_seen_and_found(self, exponent):
        for seed in range(5):
            point = self.point(seed)
            right = self.gradients(**point)["W"]
            wrong = self.mutated(at_median(lambda v: v * (1 + 10.0**-exponent)))
            (found,) = check(self.value, wrong, [point], seed=seed).variables
            assert found.verdict == Verdict.FAIL, seed
            assert found.worst.index == np.unravel_index(median_entry(right), right.shape), seed

    @pytest.mark.parametrize("mutant", [m for m in MUTANTS if m != "transposed"])
    def test_mutants_fail(self, mutant):
        point = self.point(1)
        (found,) = check(self.value, self.mutated(MUTANTS[mutant]), [point]).variables
        assert found.verdict == Verdict.FAIL

    def test_errors_that_sum_to_zero_fail(self):
        for seed in range(20):
            point = self.point(seed, samples=5)

            def change(g, seed=seed):
                mutant = g.copy()
                first, second = np.random.default_rng(seed).choice(g.size, 2, replace=False)
                mutant.flat[first] += 1e-6
                mutant.flat[second] -= 1e-6
                return mutant

            found = check(self.value, self.mutated(change), [point], samples=0, seed=seed)
            assert found.verdict == Verdict.FAIL, seed

    def test_the_cost_can_be_limited(self):
        point = self.point(0)
        report = check(self.value, self.gradients, [point], wrt=["W"], directions=1, samples=1)
        assert report.verdict == Verdict.PASS
        assert report.evaluations <= 40
        report = check(self.value, self.gradients, [point], wrt=["W"], directions=3, samples=0)
        assert report.verdict == Verdict.PASS
        assert report.variables[0].worst is None


# --- By complex steps ----------------------------------------------------------------------------


def analytic_logsumexp(z):
    top = z.real.max(axis=0)
    return top + np.log(np.exp(z - top).sum(axis=0))


def analytic_logdet(X):
    sign, log = np.linalg.slogdet(X)
    return log + 1j * np.angle(sign * np.sign(sign.real)) if np.iscomplexobj(X) else log


ANALYTIC = {name: found.value for name, found in CASES.items()} | {
    "log-sum-exp": lambda x: np.sum(analytic_logsumexp(x)),
    "cross-entropy": lambda W, x, b, y: (
        np.sum(analytic_logsumexp(W @ x + b)) - np.sum(y * (W @ x + b))
    ),
    "log-det": analytic_logdet,
    "norm": lambda x: np.sqrt(np.sum(x * x)),
}


def zero_sum(gradient):
    """Put 10 % of the largest entry from the second largest into it."""
    mutant, most = gradient.copy(), np.argsort(-np.abs(gradient.ravel()))[:2]
    if most.size == 2:
        mutant.flat[most] += np.array([0.1, -0.1]) * abs(gradient.flat[most[0]])
    return mutant


def one_by(error):
    return at_median(lambda v: v * (1 + error))


STEP_MUTANTS = (
    MUTANTS | {"zero sum": zero_sum} | {f"one by 1e-{k}": one_by(10.0**-k) for k in range(1, 10)}
)


def stepped(name, point, *, scale=1.0, mutate=None, wrt=None, **options):
    """Check a case by complex steps; a mutant is one at the point itself, near it as there."""
    found = CASES[name]

    def gradients(**point):
        claims = {n: np.asarray(scale * g) for n, g in found.gradients(**point).items()}
        return claims if mutate is None else {n: mutate(g) for n, g in claims.items()}

    value = ANALYTIC[name]
    options = {"kinks": found.kinks, "complex_safe": True} | options
    return check(lambda **p: scale * value(**p), gradients, [point], wrt=wrt, **options)


class TestComplexSteps:
    @EACH_CASE
    @EACH_SCALE
    def test_right_gradients_pass(self, name, scale):
        for seed in range(20):
            point = draw(name, seed)
            report = stepped(name, point, scale=scale, seed=seed)
            dead = CASES[name].value(**point) == 0
            assert report.verdict == (Verdict.INCONCLUSIVE if dead else Verdict.PASS), seed
            assert dead or all(found.method == "complex step" for found in report.variables)

    @EACH_CASE
    @pytest.mark.parametrize("mutant", STEP_MUTANTS)
    def test_wrong_gradients_fail_at_every_scale(self, name, mutant):
        change, seen = STEP_MUTANTS[mutant], 0
        for seed, scale in enumerate(SCALES):
            point = draw(name, seed)
            for variable, right in CASES[name].gradients(**point).items():
                right = np.asarray(right)
                if not right.any() or (right.ndim == 0 and mutant == "row zeroed"):
                    continue
                wrong = change(right)
                if wrong.shape != right.shape or np.array_equal(wrong, right):
                    continue
                seen += 1
                report = stepped(name, point, scale=scale, mutate=change, wrt=[variable])
                (found,) = report.variables
                assert found.verdict == Verdict.FAIL, (seed, found)
                if "one" in mutant:
                    index = np.unravel_index(median_entry(right), right.shape)
                    assert found.worst.index == index, (seed, found)
        assert seen or mutant in (
            *("transposed", "rolled", "two entries swapped", "row zeroed", "zero sum"),
        )

    @pytest.mark.parametrize("name", ["relu", "relu network"])
    @pytest.mark.parametrize("exponent", [3, 6, 9, 10, 11, 12])
    def test_near_a_kink(self, name, exponent):
        verdicts = []
        for seed in range(30):
            point = near_kink(name, seed, (-1) ** seed * 10.0**-exponent)
            verdicts += [v.verdict for v in stepped(name, point, seed=seed).variables]
        assert Verdict.FAIL not in verdicts
        assert verdicts.count(Verdict.PASS) >= 0.9 * len(verdicts)

    @pytest.mark.parametrize("kinks", ["known", "unknown"])
    @pytest.mark.parametrize("exponent", [13, 14, 15, 16, None])
    def test_at_a_kink_but_for_round_off(self, exponent, kinks):
        options = {} if kinks == "known" else {"kinks": None}
        for seed in range(30):
            distance = 0.0 if exponent is None else (-1) ** seed * 10.0**-exponent
            point = near_kink("relu network", seed, distance)
            assert stepped("relu network", point, **options).verdict != Verdict.FAIL, seed

    @pytest.mark.parametrize("gap", [0, 10, 14, 17, 18, 20, 21, 25, 30, 40, 100])
    def test_saturated_softmax_is_never_failed(self, gap):
        for seed in range(40):
            point = draw("cross-entropy", seed)
            point["b"] = gap * np.array([[0.0], [0.0], [1.0], [-1.0]])
            assert stepped("cross-entropy", point, seed=seed).verdict != Verdict.FAIL, seed

    def test_at_a_kink_the_sides_are_differences(self):
        point = {"x": np.array([[0.0], [2.0]])}
        value = lambda x: np.sum(np.where(x.real < 0, -x, x))  # noqa: E731
        (found,) = check(
            value, lambda x: {"x": np.sign(x)}, [point], kinks=lambda x: [x], complex_safe=True
        ).variables
        assert (found.verdict, found.method) == (Verdict.INCONCLUSIVE, "finite differences")
        assert (found.worst.left, found.worst.right) == pytest.approx((-1, 1))

    def test_code_that_drops_imaginary_parts_is_measured_by_differences(self):
        point = {"x": np.array([[1.0], [2.0]])}
        value = lambda x: np.sum(np.asarray(x).real ** 2)  # noqa: E731
        report = check(value, lambda x: {"x": 2 * x}, [point], complex_safe=True)
        assert report.verdict is Verdict.PASS
        assert report.variables[0].method == "finite differences"

    def test_what_is_not_finite_decides_nothing(self):
        point = {"x": np.array([[0.0], [2.0]])}
        root = check(
            lambda x: np.sum(np.sqrt(x)),
            lambda x: {"x": 0.5 / np.sqrt(x)},
            [point],
            complex_safe=True,
        )
        assert root.verdict == Verdict.INCONCLUSIVE
        nan = check(lambda x: np.nan, lambda x: {"x": x}, [point], complex_safe=True)
        assert nan.verdict == Verdict.INCONCLUSIVE


class TestLargeByComplexSteps:
    """Softmax regression, 784 × 10, of dense data and of sparse data as of images."""

    @staticmethod
    def point(seed, kind):
        point, rng = TestLarge.point(seed), np.random.default_rng(seed)
        if kind == "dense":
            point["X"] = rng.normal(size=(30, 784))
        else:
            ink = rng.uniform(size=(30, 784)) * (rng.uniform(size=(30, 784)) < 0.2)
            point["X"] = ink * (rng.uniform(size=784) < 0.7) * np.exp(-3 * rng.uniform(size=784))
        return point

    @staticmethod
    def value(W, b, X, Y):
        z = W @ X.T + b
        return np.mean(analytic_logsumexp(z) - np.sum(z * Y.T, axis=0))

    def run(self, point, scale, seed, error=0.0):
        right = TestLarge.gradients(**point)["W"]
        entry, calls = median_entry(right), []

        def gradients(**point):
            claimed = scale * TestLarge.gradients(**point)["W"]
            claimed.flat[entry] *= 1 + error
            return {"W": claimed}

        def value(**point):
            calls.append(1)
            return scale * self.value(**point)

        (found,) = check(
            value, gradients, [point], wrt=["W"], seed=seed, complex_safe=True
        ).variables
        return found, np.unravel_index(entry, right.shape), len(calls)

    @pytest.mark.parametrize("kind", ["dense", "sparse"])
    @pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
    def test_one_median_entry_is_seen_by_few_values_and_found(self, kind, scale):
        for seed in range(8):
            point = self.point(seed, kind)
            right, _, calls = self.run(point, scale, seed)
            assert (right.verdict, calls, right.method) == (Verdict.PASS, 4, "complex step"), seed
            assert right.detection_floor < 1e-10
            wrong, index, _ = self.run(point, scale, seed, 1e-9)
            assert (wrong.verdict, wrong.worst.index) == (Verdict.FAIL, index), seed
            assert wrong.seen_after <= 4
            assert wrong.evaluations < 60

    @pytest.mark.parametrize("kind", ["dense", "sparse"])
    def test_the_floor_is_what_is_seen(self, kind):
        seen = 0
        for seed in range(20):
            point = self.point(seed, kind)
            floor = self.run(point, 1.0, seed)[0].detection_floor
            seen += self.run(point, 1.0, seed, 2 * floor)[0].verdict == Verdict.FAIL
        assert seen >= 18

    def test_a_million_entries(self):
        x = np.random.default_rng(0).normal(size=(1000, 1000))
        for error in (0.0, 1e-9):

            def gradients(x, error=error):
                claimed = np.cos(x)
                claimed[123, 456] *= 1 + error
                return {"x": claimed}

            x[123, 456] = 0.8
            (found,) = check(
                lambda x: np.sum(np.sin(x)), gradients, [{"x": x}], complex_safe=True
            ).variables
            assert found.verdict == (Verdict.FAIL if error else Verdict.PASS)
        assert found.worst.index == (123, 456)


@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(sorted(CASES)),
    value_exponent=st.integers(-300, 300),
    mutant=st.sampled_from(["doubled", "one by 1e-6", "all by 1e-6"]),
)
@settings(max_examples=150, deadline=None)
def test_any_scale_of_the_value(seed, name, value_exponent, mutant):
    point, scale = draw(name, seed), 2.0**value_exponent
    assert run(name, [point], scale=scale).verdict != Verdict.FAIL
    changed = {
        n: applied(mutant, np.asarray(g)) is not None
        for n, g in CASES[name].gradients(**point).items()
    }
    report = run(
        name, [point], scale=scale, mutate=MUTANTS[mutant], wrt=[n for n in changed if changed[n]]
    )
    assert all(v.verdict != Verdict.PASS or v.detection_floor > 1e-7 for v in report.variables)


@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(["quadratic", "norm", "log-det"]),
    exponent=st.integers(-200, 200),
)
@settings(max_examples=100, deadline=None)
def test_any_scale_of_the_variable(seed, name, exponent):
    if name == "quadratic":
        exponent //= 2
    point = {n: entries * 2.0**exponent for n, entries in draw(name, seed).items()}
    assert run(name, [point]).verdict == Verdict.PASS
    assert run(name, [point], mutate=lambda g: g * (1 + 1e-6)).verdict == Verdict.FAIL


def test_the_same_seed_gives_the_same_report():
    point = TestLarge.point(3)
    reports = [check(TestLarge.value, TestLarge.gradients, [point], seed=5) for _ in range(2)]
    assert reports[0] == reports[1]
