"""The end of a training by its user: what Ctrl-C does, a request to terminate does too.

Schedulers and containers stop a program by SIGTERM, which ends Python at once, and with it the
model of hours.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["termination_interrupts"]


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """Let SIGTERM raise a ``KeyboardInterrupt`` meanwhile; signals are the main thread's alone.

    >>> with termination_interrupts():
    ...     signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    True
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)
