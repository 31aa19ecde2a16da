"""Where the arithmetic of training is done: with NumPy, torch or JAX, on which device.

Contract: an optimizer speaks to a `Backend` alone, and a backend knows no optimizer. Data is placed
once, before training; parameters go to the device and come back as NumPy arrays, since models,
checks and evaluations are NumPy's. The order of batches, the rates and the start are those of
NumPy whatever the backend, so that results agree to round-off.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.errors import InputError
from numeric.cuda_graphs import Graphs, Placed
from numeric.row_kernels import ByRows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numeric.model import Array

__all__ = ["Backend", "Jax", "Torch", "open_backend", "required"]


class Backend:
    """Compute with NumPy, on the processor; the other backends override what differs.

    >>> def square(w, x, y):
    ...     return w**2, {"w": 2 * w}
    >>> Backend().of_placed(square)({"w": 3.0}, {"x": 0, "y": 0})
    (9.0, {'w': 6.0})
    """

    where = ""
    """What computes, in words, where that is another than NumPy in this process."""

    versions: Mapping[str, str] = {}
    """What else computes the parameters, by package."""

    is_numpy = True
    """Whether functions get NumPy's arrays, one call at a time."""

    def close(self) -> None:
        """Give back what is held outside this process."""

    def place(self, batch: Mapping[str, Array]) -> Any:
        """Bring samples, by their arguments' names, to where they are computed with."""
        return {name: self.to_device(array) for name, array in batch.items()}

    def to_device(self, array: Array) -> Any:
        """Bring an array to the device."""
        return array

    def to_numpy(self, array: Any) -> Array:
        """Bring an array back."""
        return np.asarray(array)

    def of_placed(self, value_and_grad: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function of parameters on the device, and of samples as they were placed."""
        return lambda parameters, batch: value_and_grad(**parameters, **batch)

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of arrays that changes none of them, in its fastest form."""
        return function

    def moved(self, parameter: Any, direction: Any, rate: Any) -> Any:
        """Return ``parameter - rate * direction`` as a new array of the parameter's dtype.

        It has the memory order of its direction, since mixing orders costs more than arithmetic.
        """
        result = np.empty_like(direction, parameter.dtype)
        np.multiply(direction, rate, out=result)
        return np.subtract(parameter, result, out=result)


class Torch(Backend):
    """Compute with torch.

    Raises:
        InputError: where torch is not installed, or has no such device.
    """

    is_numpy = False

    def __init__(self, device: str | None = None) -> None:
        self._torch = required("torch", "--backend torch")
        names, accelerators = ["cpu"], self._torch.accelerator
        if accelerators.is_available():
            kind = accelerators.current_accelerator().type
            names += [f"{kind}:{number}" for number in range(accelerators.device_count())]
        self._device = self._torch.device(_known(device or "cpu", names, "torch"))
        self.where = f"torch {self._torch.__version__} on {self._device}"
        self.versions = {"torch": self._torch.__version__}
        self._is_cuda = self._device.type == "cuda"
        if self._is_cuda:
            self._torch.cuda.set_device(self._device)

    def place(self, batch: Mapping[str, Array]) -> Any:
        return Placed(super().place(batch))

    def to_device(self, array: Array) -> Any:
        return self._torch.asarray(array, device=self._device)

    def to_numpy(self, array: Any) -> Array:
        result: Array = array.cpu().numpy()
        return result

    def of_placed(self, value_and_grad: Callable[..., Any]) -> Callable[..., Any]:
        if not self._is_cuda:
            return super().of_placed(value_and_grad)
        return ByRows(value_and_grad, self._torch.cuda.is_current_stream_capturing)

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return Graphs(function, self._torch, self._device) if self._is_cuda else function

    def moved(self, parameter: Any, direction: Any, rate: Any) -> Any:
        if isinstance(rate, float):
            return self._torch.sub(parameter, direction, alpha=rate)
        return self._torch.addcmul(parameter, direction, rate, value=-1)  # a recording's number


class Jax(Backend):
    """Compute with JAX, a step compiled as a whole.

    JAX's own settings are for the process: double precision has to be asked for, and so has the
    full one of single precision, which it would else not have on some devices.

    Raises:
        InputError: where JAX is not installed, or has no such device.
    """

    is_numpy = False

    def __init__(self, device: str | None = None, dtype: str = "float32") -> None:
        self._jax = required("jax", "--backend jax")
        self._jax.config.update("jax_default_matmul_precision", "highest")
        if dtype == "float64":
            self._jax.config.update("jax_enable_x64", True)
        devices = [*self._jax.devices("cpu"), *self._jax.devices()]
        found = {f"{d.platform}:{d.id}": d for d in devices}
        found |= {f"cuda:{d.id}": d for d in devices if d.platform == "gpu"}  # JAX's other name
        default = self._jax.devices()[0].platform
        self._device = found[_known(device or default, list(found), "JAX")]
        self.where = f"JAX {self._jax.__version__} on {self._device.platform}:{self._device.id}"
        self.versions = {"jax": self._jax.__version__}

    def to_device(self, array: Array) -> Any:
        return self._jax.device_put(array, self._device)

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        compiled: Callable[..., Any] = self._jax.jit(function)
        return compiled

    def moved(self, parameter: Any, direction: Any, rate: Any) -> Any:
        return parameter - rate * direction


def open_backend(
    name: str = "numpy",
    device: str | None = None,
    *,
    dtype: str = "float32",
    engine: str = "local",
    scheduler: str | None = None,
) -> Backend:
    """Return what the options of ``cli train`` ask for, or refuse it before anything is read.

    Raises:
        InputError: for what is not installed or not there, or does not go together.

    >>> open_backend("numpy", "cuda")
    Traceback (most recent call last):
    ...
    derive.errors.InputError: --device cuda: no such device for NumPy. Known: cpu.
    """
    if engine == "dask":
        from numeric.distributed import Dask

        if name != "numpy":
            raise InputError(
                f"--backend {name}: --engine dask computes with NumPy. Drop one of the two."
            )
        _known(device or "cpu", ["cpu"], "NumPy")
        return Dask(scheduler)
    if scheduler is not None:
        raise InputError(
            f"--scheduler {scheduler}: the local engine has none. Add --engine dask, or drop it."
        )
    if name == "torch":
        return Torch(device)
    if name == "jax":
        return Jax(device, dtype)
    _known(device or "cpu", ["cpu"], "NumPy")
    return Backend()


def required(package: str, option: str, extra: str | None = None) -> Any:
    """Import what an option needs and the core has not.

    Raises:
        InputError: where it is not installed, with what installs it.

    >>> required("sympy", "--backend sympy").__name__
    'sympy'
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise InputError(
            f"{option}: {package} is not installed ({error}). Install it with: "
            f"pip install 'chainrule[{extra or package}]'."
        ) from error


def _known(device: str, names: Sequence[str], library: str) -> str:
    """Return a device by its full name; one without a number is the first of its kind."""
    for name in (device, f"{device}:0"):
        if name in names:
            return name
    raise InputError(f"--device {device}: no such device for {library}. Known: {', '.join(names)}.")
