"""The losses as the users of autograd, torch and JAX write them, in what each calls its own.

A loss is made for a library, of which a class gives the functions that differ between the three.
"""

from __future__ import annotations


class Autograd:
    """HIPS autograd has NumPy's names, and no more."""

    def __init__(self, np):
        self.np, self.inv = np, np.linalg.inv

    def relu(self, z):
        return self.np.maximum(z, 0)

    def softplus(self, z):
        return self.np.logaddexp(0, z)

    def cross_entropy(self, logits, y):
        z = logits - self.np.max(logits, axis=1, keepdims=True)
        total = self.np.log(self.np.sum(self.np.exp(z), axis=1, keepdims=True))
        return -self.np.sum((z - total) * y) / len(y)

    def softmax(self, z):
        e = self.np.exp(z - self.np.max(z, axis=1, keepdims=True))
        return e / self.np.sum(e, axis=1, keepdims=True)

    def gaussian(self, S, r):
        square = self.np.sum(self.np.dot(r, self.inv(S)) * r) / len(r)
        return (self.np.linalg.slogdet(S)[1] + square) / 2


class Jax:
    """JAX, with the functions of ``jax.nn``."""

    def __init__(self, jax, jnp):
        self.jax, self.np = jax, jnp
        self.relu, self.softplus = jax.nn.relu, jax.nn.softplus

    def cross_entropy(self, logits, y):
        return -self.np.sum(self.jax.nn.log_softmax(logits) * y) / len(y)

    def softmax(self, z):
        return self.jax.nn.softmax(z)

    def gaussian(self, S, r):
        root = self.np.linalg.cholesky(S)
        q = self.jax.scipy.linalg.solve_triangular(root, r.T, lower=True)
        return self.np.sum(self.np.log(self.np.diagonal(root))) + self.np.sum(q * q) / len(r) / 2


class Torch:
    """torch, with the functions of ``torch.nn.functional``."""

    def __init__(self, torch):
        self.torch, self.np = torch, torch
        functional = torch.nn.functional
        self.relu, self.softplus = torch.relu, functional.softplus
        self.cross_entropy = functional.cross_entropy

    def softmax(self, z):
        return self.torch.softmax(z, dim=1)

    def gaussian(self, S, r):
        root = self.torch.linalg.cholesky(S)
        q = self.torch.linalg.solve_triangular(root, r.T, upper=False)
        return self.torch.log(root.diagonal()).sum() + (q * q).sum() / len(r) / 2


def relu_l2(library):
    return lambda W, x: library.np.sum(library.relu(W @ x) ** 2)


def logistic(library):
    return lambda y, X, w: library.np.mean(library.softplus(-y * (X @ w)))


def logistic_by_sample(library):
    return lambda y, w, x: library.np.mean(library.softplus(-y * (x @ w)))


def softmax_regression(library):
    return lambda W, x, b, y: library.cross_entropy(x @ W.T + b.T, y)


def network(library):
    def loss(V, W, x, b, c, y):
        return library.cross_entropy(library.relu(x @ W.T + b.T) @ V.T + c.T, y)

    return loss


def factorisation(library):
    return lambda U, V, T: library.np.sum((U @ V.T - T) ** 2)


def attention(library):
    def loss(G, Q, K, V):
        return library.np.sum(G * (library.softmax(Q @ K.T / Q.shape[1] ** 0.5) @ V))

    return loss


def gaussian(library):
    return lambda S, x, u: library.gaussian(S, x - u.T)
