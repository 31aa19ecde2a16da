"""Formulas as people write them, by which the accuracy of emitted code is measured: data alone."""

from __future__ import annotations

from typing import Any

ONEHOT, BINARY, PM1 = ({"y": (kind,)} for kind in ("onehot", "binary", "pm1"))
ROWS_ONEHOT: dict[str, Any] = {"Y": ("onehot",)}

# A formula, and what is assumed of its variables; what is given has such an assumption.
SPELLED: dict[str, dict[str, Any]] = {
    # softmax, log-sum-exp
    "y'*exp(x)/sum(exp(x))": {},
    "sum(y .* exp(x) ./ sum(exp(x)))": {},
    "sum(Y .* exp(X) ./ rowsum(exp(X)))": {},
    "sum(y .* exp(x - max(x)) / sum(exp(x - max(x))))": {},
    "log(sum(exp(x)))": {},
    "log(mean(exp(x)))": {},
    "sum(log(rowsum(exp(X))))": {},
    "mean(log(rowmean(exp(X))))": {},
    "max(x) + log(sum(exp(x - max(x))))": {},
    "log(sum(exp(2*x)))/2": {},
    "log(sum(exp(-x)))": {},
    "log(exp(a) + exp(b))": {},
    "log(exp(a) + exp(b) + exp(c))": {},
    "log((exp(a) + exp(b))/2)": {},
    "exp(a)/(exp(a) + exp(b))": {},
    "log(exp(a) + 1)": {},
    "log(1 + 2*exp(a))": {},
    "sum(log(1 + 3*exp(-x)))": {},
    "sum(log(1 + sigmoid(x)))": {},
    "sum(log(1 + tanh(x).^2))": {},
    "sum(log(exp(x) + exp(y)))": {},
    "log(sum(exp(x))) - y'*x": ONEHOT,
    "logsumexp(x) - logsumexp(y)": {},
    # hyperbolic
    "log(cosh(a))": {},
    "cosh(a) - 1": {},
    "exp(a) + exp(-a) - 2": {},
    "sum(log(cosh(x)))": {},
    "sum(log((exp(x) + exp(-x))/2))": {},
    "sum(1 ./ cosh(x))": {},
    "sum(1 ./ cosh(x).^2)": {},
    "1 - tanh(a)^2": {},
    "sum(1 - tanh(x).^2)": {},
    "sum((exp(x) - exp(-x)) ./ (exp(x) + exp(-x)))": {},
    "sum(sinh(x) ./ cosh(x))": {},
    "sum((1 + tanh(x/2))/2)": {},
    "sum(log(1 - tanh(x).^2))": {},
    "sum(tanh(x))": {},
    "norm2(tanh(W*x))^2": {},
    # logistic
    "exp(a)/(1 + exp(a))": {},
    "sum(exp(x) ./ (1 + exp(x)))": {},
    "1/(1 + exp(-a))": {},
    "sum(1 ./ (1 + exp(-x)))": {},
    "sum(1 - 1 ./ (1 + exp(-x)))": {},
    "sum(exp(-x) ./ (1 + exp(-x)))": {},
    "sum(exp(-x) ./ (1 + exp(-x)).^2)": {},
    "sum(sigmoid(x))": {},
    "sum(1 - sigmoid(x))": {},
    "sum(sigmoid(x) .* (1 - sigmoid(x)))": {},
    "sum(sigmoid(x) - sigmoid(x).^2)": {},
    "sum(x .* sigmoid(x))": {},
    "log(1 + exp(a))": {},
    "sum(log(1 + exp(x)))": {},
    "sum(log(1 + exp(-x)))": {},
    "sum(log(1 + exp(x)) - x)": {},
    "a + log(1 + exp(-a))": {},
    "sum(max(x, 0) + log(1 + exp(-abs(x))))": {},
    "log(sigmoid(a))": {},
    "sum(log(sigmoid(x)))": {},
    "sum(log(1 - sigmoid(x)))": {},
    "sum(log(sigmoid(x) ./ (1 - sigmoid(x))))": {},
    "sum(softplus(x))": {},
    "sum(softplus(-x))": {},
    "sum(x - softplus(x))": {},
    "sum(log(softplus(x)))": {},
    "sum(x .* tanh(softplus(x)))": {},
    "sum(x .* tanh(log(1 + exp(x))))": {},
    # logistic losses
    "-sum(y .* log(sigmoid(x)) + (1 - y) .* log(1 - sigmoid(x)))": BINARY,
    "-mean(y .* log(1 ./ (1 + exp(-x))) + (1 - y) .* log(1 - 1 ./ (1 + exp(-x))))": BINARY,
    "sum(log(1 + exp(-y .* x)))": PM1,
    "sum(softplus(-y .* x))": PM1,
    "-sum(log(sigmoid(y .* x)))": PM1,
    "sum(softplus(x) - y .* x)": BINARY,
    "sum(log(1 + exp(x)) - y .* x)": BINARY,
    "sum(log(1 + exp(-(2*y - 1) .* x)))": BINARY,
    "sum(log(1 + exp(-y .* (A*x))))": PM1,
    "sum((1 - sigmoid(x)).^2 .* log(sigmoid(x)))": {},
    # cross-entropies
    "crossentropy(softmax(x), y)": ONEHOT,
    "-y'*log(softmax(x))": ONEHOT,
    "-y'*log(exp(x)/sum(exp(x)))": ONEHOT,
    "-sum(Y .* log(softmax(X)))": ROWS_ONEHOT,
    "-log(y'*softmax(x))": ONEHOT,
    "sum(softmax(x) .* log(softmax(x)))": {},
    "crossentropy(softmax(W*x + b), y)": ONEHOT,
    "sum((softmax(x) - y).^2)": ONEHOT,
    # near one and near zero
    "sqrt(1 + a^2) - 1": {},
    "sum(sqrt(1 + x.^2) - 1)": {},
    "sum(sqrt(1 + x) - 1)": {"x": ("positive",)},
    "sum(1 - sqrt(1 - x.^2))": {},
    "log(1 + a)": {},
    "sum(log(1 + x.^2))": {},
    "log(1 + norm2(x)^2)": {},
    "sum(log(1 - x))": {},
    "exp(a) - 1": {},
    "sum(1 - exp(-x))": {"x": ("positive",)},
    "sum(log(1 - exp(-x)))": {"x": ("positive",)},
    "sum(log(exp(x) - 1))": {"x": ("positive",)},
    "sum(x ./ (exp(x) - 1))": {},
    "sum((exp(x) - 1) ./ x)": {},
    "sum(1 - cos(x))": {},
    "sum((1 - cos(x)) ./ x.^2)": {},
    "sum(1 ./ (1 + x) - 1)": {"x": ("positive",)},
    "sum(sqrt(x + 1) - sqrt(x))": {"x": ("positive",)},
    "sum(log(x + 1) - log(x))": {"x": ("positive",)},
    "sum(log(x + sqrt(x.^2 + 1)))": {},
    "sum(1 - erf(x))": {},
    "sum(x .* (1 + erf(x/sqrt(2)))/2)": {},
    "(1 - a)*(1 + a)": {},
    "(a + 1)^2 - 1": {},
    # norms and densities
    "norm2(x)": {},
    "norm2(x - y)": {},
    "norm2(A*x - y)^2": {},
    "sqrt(x'*x)": {},
    "sqrt(a^2 + b^2)": {},
    "x'*y/(norm2(x)*norm2(y))": {},
    "sum(x/norm2(x) .* y)": {},
    "log(norm2(x))": {},
    "exp(-norm2(x - y)^2/2)": {},
    "-log(c)/2 - norm2(x - y)^2/(2*c)": {"c": ("positive",)},
    "-sum(log(s)) - sum((x - y).^2 ./ (2*s.^2))": {"s": ("positive",)},
    "-logdet(S)/2 - (x - y)'*inv(S)*(x - y)/2": {"S": ("spd",)},
    "(x - y)'*inv(S)*(x - y)": {"S": ("spd",)},
    "logdet(eye(2) + X'*X)": {},
    "x'*(x ./ y)": {},
    "sum(x.^2 ./ (1 + x.^2))": {},
    "sum(abs(x))": {},
    "sum(x .* log(x ./ y))": {"x": ("positive",), "y": ("positive",)},
    "-sum(x .* log(x))": {"x": ("positive",)},
    "sum(x.^3)": {},
    "sum(x.^a)": {"x": ("positive",)},
    "mean((x - mean(x)).^2)": {},
}

_SATURATED = (
    "an entry of a softmax's pullback that is far smaller than the others' is their difference; "
    "taking the cotangent at the largest entry out first takes more passes over the entries"
)
_NEAR_CERTAIN = "the logarithm of a probability near 1 is that of the rounded sum of exponentials"
_REMOVABLE = "a removable singularity at 0, where two terms of the derivative cancel"
_LU = "an LU or singular value decomposition is right in norm, not in every entry"

# What loses more than three bits at some points or on some machine: how many at most, and why.
LOOSE = {
    "sum((softmax(x) - y).^2)": (50.0, _SATURATED),  # at some points, and never a NaN
    "adj(A)": (6.0, _LU),
    "det(A)": (6.0, _LU),
    "sum(x.^a)": (
        5.0,
        "the exponent a − 1 is rounded, and log x times that is beyond its condition",
    ),
}

# What loses many, and why; a test fails where it does not, so that what is mended leaves this list.
LOSING = {
    "sum(log(x + 1) - log(x))": "log1p(1/x) is a number where neither logarithm is one",
    "softmax(x)": _SATURATED,
    "softmax(A)": _SATURATED,
    "y'*exp(x)/sum(exp(x))": _SATURATED,
    "sum(y .* exp(x) ./ sum(exp(x)))": _SATURATED,
    "sum(Y .* exp(X) ./ rowsum(exp(X)))": _SATURATED,
    "-log(y'*softmax(x))": "a probability underflows where its logarithm is an ordinary number",
    "sum(softmax(x) .* log(softmax(x)))": _SATURATED,
    "crossentropy(softmax(x), y)": _NEAR_CERTAIN,
    "-y'*log(softmax(x))": _NEAR_CERTAIN,
    "-y'*log(exp(x)/sum(exp(x)))": _NEAR_CERTAIN,
    "sum((exp(x) - 1) ./ x)": _REMOVABLE,
    "sum((1 - cos(x)) ./ x.^2)": _REMOVABLE,
    "sum(x ./ (exp(x) - 1))": _REMOVABLE,
    "logdet(eye(2) + X'*X)": "1 is added before the determinant is taken: a matrix's log1p",
    "sum(log(softplus(x)))": "softplus underflows where its logarithm is an ordinary number",
    "sum(log(x + sqrt(x.^2 + 1)))": "a function without a name in the language is not looked for",
}
