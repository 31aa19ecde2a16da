"""Kernels of the special functions that no array library has: erf, erfc, lgamma, its derivatives.

Contract: of `derive.kernels`. Each is right to fourteen digits everywhere, zeros included.
"""

from __future__ import annotations

from typing import Any

from derive.array_functions import _namespace, _real

__all__: list[str] = []  # kernels have the names that emitted modules give them

np: Any = None  # bound when they are loaded


def _erf(u):
    """Return the error function: Kummer's series, or 1 - erfc as Laplace's continued fraction."""
    xp, u = _namespace(u), u * 1.0
    real = _real(u)
    sign, near = xp.where(real < 0, -xp.ones_like(real), 1), xp.abs(real) < 2
    x, y = xp.where(near, u, 0), xp.where(near, 2, sign * u)
    series, fraction = xp.ones_like(x), y
    for odd in range(61, 1, -2):
        series = 1 + series * (2 * x * x / odd)
    for k in range(60, 0, -1):
        fraction = y + k / 2 / fraction
    root = np.sqrt(np.pi).item()
    inside = 2 / root * x * xp.exp(-x * x) * series
    return xp.where(near, inside, sign * (1 - xp.exp(-y * y) / (root * fraction)))


def _erfc(u):
    """Return 1 - erf(u): t exp(p(t) - u^2), t = 2/(2 + u), by the Chebyshev series of p.

    exp(-u^2) is taken apart, so that the rounding of a large square is not multiplied.
    """
    xp, u = _namespace(u), u * 1.0
    left = _real(u) < 0
    size = xp.where(left, -u, u)
    y = xp.where(_real(size) > 28, 28, size)  # beyond, it is 0
    t = 2 / (2 + y)
    twice, series, before = 4 * t - 2, xp.zeros_like(t), xp.zeros_like(t)
    for c in (
        *(5.003005559445902e-20, -2.816663087747177e-17, 1.210237189224279e-16),
        *(-9.457494571291233e-17, -1.5230282014571043e-15, 7.106097613609237e-15),
        *(3.810905255189232e-16, -1.1270822361367252e-13, 3.130921399342958e-13),
        *(8.944879273090725e-13, -6.886027526497553e-12, 2.3940380830391146e-12),
        *(9.646791102015527e-11, -2.273651222931836e-10, -9.91364156493033e-10),
        *(5.059343495551469e-09, 6.5290544390988515e-09, -8.523809591492654e-08),
        *(1.5626441722066142e-08, 1.3036558355805232e-06, -1.6242900046470256e-06),
        *(-2.0278578112534242e-05, 4.252332480690777e-05, 0.00036683949785276145),
        *(-0.0009465953444820369, -0.009561514786808632, 0.019476473204185836),
        0.6419697923564902,
    ):
        series, before = twice * series - before + c, series
    p = twice / 2 * series - before - 0.6513268598908547
    near = xp.round(_real(y) * 16) / 16  # its square is exact
    found = t * xp.exp(-near * near) * xp.exp(p - (y - near) * (y + near))
    return xp.where(left, 2 - found, found)


def _lgamma(u):
    """Return log|gamma|: its series around 2 after steps there, or Stirling's; DLMF 5.7.3, 5.11.1.

    gamma(u) gamma(1 - u) = pi/sin(pi u) leads from negative arguments to positive ones.
    """
    xp, u = _namespace(u), u * 1.0
    left = _real(u) < 0
    x = xp.where(left, 1 - u, u)
    low = _real(x) < 7.5
    n = xp.where(low, xp.round(_real(x)), 2)
    z = xp.where(low, x, 2) - n
    # (-1)^k (zeta(k) - 1)/k from k = 29 down to 2
    series = xp.zeros_like(z)
    for c in (
        *(-6.4229645638381e-11, 1.330476437424449e-10, -2.7595228851242334e-10),
        *(5.731367241678862e-10, -1.1921401405860912e-09, 2.4836745438024785e-09),
        *(-5.183475041970047e-09, 1.0838659214896955e-08, -2.2711094608943164e-08),
        *(4.7698101693639804e-08, -1.0043224823968099e-07, 2.1207184805554665e-07),
        *(-4.492469198764566e-07, 9.55141213040742e-07, -2.039215753801366e-06),
        *(4.374866789907488e-06, -9.439488275268397e-06, 2.050721277567069e-05),
        *(-4.492623673813314e-05, 9.945751278180853e-05, -0.00022315475845357939),
        *(0.0005096695247430425, -0.001192753911703261, 0.0028905103307415234),
        *(-0.007385551028673986, 0.020580808427784546, -0.0673523010531981, 0.3224670334241132),
        1 - np.euler_gamma,
    ):
        series = (series + c) * z
    up, down = xp.ones_like(z), xp.where(n < 2, z + 1, 1) * xp.where(n < 1, z, 1)
    for k in range(2, 8):
        up = xp.where(n > k, up * (z + k), up)
    y = xp.where(low, 8, x)
    tail = xp.zeros_like(y)
    for c in (-3617 / 122400, 1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360):
        tail = (tail + c) / y / y
    far = (y - 0.5) * (xp.log(y) - 1) + (np.log(2 * np.pi).item() - 1) / 2 + (tail + 1 / 12) / y
    found = xp.where(low, series + xp.log(up) - xp.log(down), far)
    part = xp.where(left, u, 0.5)
    sine = xp.sin(np.pi * (part - xp.round(_real(part))))
    sine = xp.where(_real(sine) < 0, -sine, sine)
    return xp.where(left, xp.log(np.pi / sine) - found, found)


def _digamma(u):
    """Return gamma'/gamma: Taylor's series around its root, or DLMF 5.11.2 after steps up."""
    xp, u = _namespace(u), u * 1.0
    left = _real(u) < 0
    x = xp.where(left, 1 - u, u)
    z = (
        x - 1.4616321325302124 - 1.2438149843418955e-08
    ) - 9.549995429965697e-17  # exact beside the root
    near = xp.abs(_real(z)) < 0.15
    z, y = xp.where(near, z, 0), xp.where(near, 1, x)
    series, steps = xp.zeros_like(z), xp.zeros_like(z)
    for c in (
        *(0.0010788252019162967, -0.0015769367714301972, 0.002305126326734928),
        *(-0.003369801655439328, 0.004926781395729853, -0.007204534386356869),
        *(0.010538791616612175, -0.01542476590494896, 0.022597648232218104),
        *(-0.03316112647484736, 0.04880428816414311, -0.07219956125645471, 0.10782405069126237),
        *(-0.16394270544240652, 0.258499760955651, -0.4427631689835921, 0.9676722454476212),
    ):
        series = (series + c) * z
    for _ in range(8):
        low = _real(y) < 8
        steps = steps + xp.where(low, 1 / xp.where(low, y, 1), 0)
        y = xp.where(low, y + 1, y)
    tail = xp.zeros_like(y)
    for c in (3617 / 8160, -1 / 12, 691 / 32760, -1 / 132, 1 / 240, -1 / 252, 1 / 120, -1 / 12):
        tail = (tail + c) / y / y
    found = xp.where(near, series, xp.log(y) - 0.5 / y + tail - steps)
    part = xp.where(left, u, 0.25)
    tangent = xp.tan(np.pi * (part - xp.round(_real(part))))
    return xp.where(left, found - np.pi / tangent, found)


def _trigamma(u):
    """Return digamma's derivative: DLMF 5.15.8 after steps up."""
    xp, u = _namespace(u), u * 1.0
    left = _real(u) < 0
    y = xp.where(left, 1 - u, u)
    steps = xp.zeros_like(y)
    for _ in range(8):
        low = _real(y) < 8
        steps = steps + xp.where(low, xp.where(low, y, 1) ** -2.0, 0)
        y = xp.where(low, y + 1, y)
    tail = xp.zeros_like(y)
    for c in (-3617 / 510, 7 / 6, -691 / 2730, 5 / 66, -1 / 30, 1 / 42, -1 / 30, 1 / 6):
        tail = (tail + c) / y / y
    found = steps + (1 + 0.5 / y + tail) / y
    part = xp.where(left, u, 0.5)
    sine = xp.sin(np.pi * (part - xp.round(_real(part))))
    return xp.where(left, (np.pi / sine) ** 2 - found, found)
