"""A way to MLflow, and what goes wrong on it in our words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from core.errors import InvalidInput, NotFound, Unavailable, WorkbenchError

if TYPE_CHECKING:
    from mlflow import MlflowClient

HTTP_SECONDS: Final = 10
PING_SECONDS: Final = 2
ENVIRONMENT: Final[Mapping[str, str]] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Whoever waits decides how long; left alone, one call takes minutes to fail.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(HTTP_SECONDS),
    "GIT_PYTHON_REFRESH": "quiet",
}
SERVER_ENVIRONMENT: Final[Mapping[str, str]] = {
    **ENVIRONMENT,
    # Otherwise it starts seven more processes that nothing here needs.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
_CREDENTIALS: Final = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_S3_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_DEFAULT_REGION",
)
_MISSING: Final = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})
_MALFORMED: Final = frozenset({"INVALID_PARAMETER_VALUE", "BAD_REQUEST"})
_LONGEST: Final = 300


def environment() -> dict[str, str]:
    """Give the variables of a process that speaks to MLflow, its credentials among them."""
    return {
        **ENVIRONMENT,
        **{each: os.environ[each] for each in _CREDENTIALS if each in os.environ},
    }


def connect(uri: str) -> MlflowClient:
    """Give a client; a database without tables gets them, which takes seconds.

    Raises:
        Unavailable: MLflow cannot be reached or used.
    """
    with explained(uri):
        from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds

        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def ping(uri: str) -> str:
    """Ask a server whether it is there, and say what is known of any other place.

    Cheap, and of the standard library alone: a server of ours may ask.

    Raises:
        Unavailable: nobody answers.
    """
    address = urlsplit(uri)
    if address.scheme not in {"http", "https"}:
        return "a database of its own"
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    line = kind(address.hostname or "", address.port, timeout=PING_SECONDS)
    try:
        line.request("GET", f"{address.path.rstrip('/')}/health")
        status = line.getresponse().status
    except (OSError, HTTPException) as error:
        raise Unavailable(f"MLflow at {shown(uri)} does not answer") from error
    finally:
        line.close()
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"MLflow at {shown(uri)} answers {status}")
    return "answers"


def load() -> None:
    """Import what `connect` needs, in the process that children are forked from."""
    from mlflow import MlflowClient  # noqa: F401, PLC0415 - takes seconds


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Say what MLflow raises in our words.

    Raises:
        NotFound, InvalidInput: what was named does not exist, or cannot be read.
        Unavailable: anything else; it may pass.
    """
    try:
        yield
    except WorkbenchError:
        raise
    except Exception as error:
        code = getattr(error, "error_code", "")
        words = _first_line(error)
        if code in _MISSING:
            raise NotFound(
                f"MLflow has none of that name: {words}",
                hint="List the experiments and their runs to see what there is",
            ) from error
        if code in _MALFORMED:
            raise InvalidInput(
                f"MLflow cannot read the request: {words}",
                expected="an order such as `metrics.sharpe DESC`, a filter such as "
                "`metrics.sharpe > 1 and params.fast = '5'`, an id as MLflow gives it",
                hint="Experiments and runs are listed with their ids, metrics and parameters",
            ) from error
        raise Unavailable(
            f"MLflow at {shown(uri)} cannot be used: {words}",
            hint="Look whether it runs; nothing else depends on it",
        ) from error


def shown(uri: str) -> str:
    """Give a URI without its password."""
    return re.sub(r"//([^:/@]*):[^@/]*@", r"//\1:***@", uri)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"//([^:/@\s]*):[^@/\s]*@", r"//\1:***@", lines[0])[:_LONGEST]
