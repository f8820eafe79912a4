"""Why an attempt to send failed, told from the exception that an exporter raised."""

from __future__ import annotations

from dqx.telemetry.ledger import Failure


def failure_of(error: BaseException) -> Failure:
    """Return the failure that an exception stands for. The text is not redacted."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    message = f"{type(error).__name__}: {str(_root(error)).strip()}"
    # By name: requests is imported where it is used. ConnectTimeout is both, and nothing was reached.
    if "ConnectionError" in kinds:
        return Failure("unreachable", message)
    if "Timeout" in kinds or isinstance(error, TimeoutError):
        return Failure("timeout", message)
    if isinstance(error, OSError):
        return Failure("unreachable", message)
    return Failure("unusable", message)


def _root(error: BaseException) -> BaseException:
    """Return what an HTTP library wrapped: `Connection refused`, without the pool and the URL around it."""
    seen = 0
    while (inner := error.__context__ or getattr(error, "reason", None)) is not None and seen < 10:
        if not isinstance(inner, BaseException):
            break
        error, seen = inner, seen + 1
    return error
