"""The losses, and gradients where it gets that far, as a person writes them in stock SymPy.

`sympy.lambdify` prints products, sums, transposes, inverses and Hadamard products; what it says to
the rest is the reason that `gradients.py` prints. Sums of entries are products with ones.
"""

from __future__ import annotations


def total(sympy, matrix):
    rows, columns = matrix.shape
    return sympy.OneMatrix(1, rows) * matrix * sympy.OneMatrix(columns, 1)


def relu_l2(sympy, W, x):
    u = sympy.Symbol("u", real=True)
    a = (W * x).applyfunc(sympy.Lambda(u, sympy.Max(u, 0)))
    return [a.T * a, 2 * a * x.T, 2 * W.T * a]


def logistic(sympy, y, X, w):
    u = sympy.Symbol("u", real=True)
    margins = sympy.HadamardProduct(-y, X * w)
    return [total(sympy, margins.applyfunc(sympy.Lambda(u, sympy.log(1 + sympy.exp(u)))))]


def logistic_by_sample(sympy, y, w, x):
    return logistic(sympy, y, x, w)


def softmax_regression(sympy, W, x, b, y):
    logits = x * W.T + sympy.OneMatrix(x.shape[0], 1) * b.T
    return [total(sympy, logits.applyfunc(sympy.exp))]


def network(sympy, V, W, x, b, c, y):
    return softmax_regression(sympy, W, x, b, y)


def factorisation(sympy, U, V, T):
    R = U * V.T - T
    twice = sympy.HadamardProduct(2 * R, R)  # R and R become a power, which is not printed
    return [total(sympy, twice) / 2, 2 * R * V, 2 * R.T * U]


def attention(sympy, G, Q, K, V):
    return [total(sympy, (Q * K.T).applyfunc(sympy.exp))]


def gaussian(sympy, S, x, u):
    return [sympy.log(sympy.Determinant(S))]
