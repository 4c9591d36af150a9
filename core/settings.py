"""Settings: the environment as one frozen value.

Every field is the variable `WORKBENCH_<FIELD>`, from the environment or a file `.env` in the
working directory, and is described in `.env.example`. Only the doors and `core.bootstrap` read it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import AliasChoices, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import InvalidInput
from core.faults import expectation_of, message_of

PREFIX = "WORKBENCH_"
OFF = "off"
"""Of the tracking server: write nothing anywhere."""
ROOT = Path(__file__).resolve().parent.parent
PACKAGED_STRATEGIES = ROOT / "strategies"
# The same folder wherever a command is called from: that of the checkout, else the user's own.
DATA = ROOT / "data" if (ROOT / "pyproject.toml").is_file() else "~/.local/share/quant-workbench"

Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Where things are, who may connect and how much one run may use.

    Attributes:
        data_dir: Folder of everything the workbench writes; a relative one counts from the working
            directory and is made absolute when read.
        database_password_file: File with the password of `database_url`, where that names a user
            without one; None for none.
        database_url: SQLAlchemy URL of the records; empty for `workbench.db` in `data_dir`.
        strategies_dir: Folder scanned for strategies, one file each.
        api_host, api_port, ui_host, ui_port: Where the two servers listen.
        allowed_hosts: Further names under which this machine may be addressed (`Host` header).
        allowed_origins: Further web origins that may call the API (`http://localhost:3000`).
        allow_unauthenticated_bind: Let a server without login listen beyond loopback.
        poll_seconds: How often an open page asks whether something changed.
        run_wait_seconds: How long a submission waits for its result before it answers `running`.
        run_slots: Runs computed at the same time by one server.
        run_queue: Runs that may wait in line; more are refused.
        queue_bars: A run that reads more bars than this waits in the queue for a worker.
        worker_slots: Jobs one worker does at the same time.
        dask_scheduler: Address of the scheduler whose workers compute parts of studies; empty for
            none.
        job_memory_mb, job_cpu_seconds, job_wall_seconds, job_output_mb: Limits of one job.
        run_memory_mb, run_cpu_seconds, run_wall_seconds, run_output_mb: Limits of one run.
        mlflow_tracking_uri: Where runs and studies are mirrored: empty for SQLite in `data_dir`,
            `off` for nowhere, or the URI of a server. Also read from `MLFLOW_TRACKING_URI`.
        mlflow_ui_url: Where people see MLflow, for links; also read from `MLFLOW_UI_URL`.
        mlflow_patience_seconds: How long one mirror waits for an MLflow that does not answer.
        scan_seconds: How long one strategy file may take to be imported when it is looked at.
        log_level, log_format: What is logged, as text for people or as JSON lines.
        max_upload_mb: Largest file that may be sent.
        candles_max_rows: Most bars in one answer of the API.
        candles_max_days: Longest period of bars in one answer, per timeframe: `1m=1`; `1d=0` lifts
            the limit. A timeframe left out has none.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        validate_default=True,
    )

    data_dir: Path = Path(DATA)
    database_password_file: Path | None = None
    database_url: str = Field("", repr=False)
    strategies_dir: Path = PACKAGED_STRATEGIES
    api_host: str = "127.0.0.1"
    api_port: int = Field(8000, ge=0, le=65_535)
    ui_host: str = "127.0.0.1"
    ui_port: int = Field(8501, ge=0, le=65_535)
    allowed_hosts: Names = ()
    allowed_origins: Names = ()
    allow_unauthenticated_bind: bool = False
    poll_seconds: float = Field(10.0, ge=1, le=3_600)
    run_wait_seconds: float = Field(5.0, ge=0, le=600)
    run_slots: int = Field(1, ge=1, le=64)
    run_queue: int = Field(1_000, ge=1, le=1_000_000)
    run_memory_mb: int = Field(2_048, ge=256, le=1_048_576)
    run_cpu_seconds: int = Field(300, ge=1, le=86_400)
    run_wall_seconds: float = Field(600.0, gt=0, le=86_400)
    run_output_mb: int = Field(1_024, ge=16, le=1_048_576)
    queue_bars: int = Field(5_000_000, ge=1)
    worker_slots: int = Field(1, ge=1, le=64)
    dask_scheduler: str = ""
    job_memory_mb: int = Field(4_096, ge=256, le=1_048_576)
    job_cpu_seconds: int = Field(86_400, ge=1, le=31_536_000)
    job_wall_seconds: float = Field(86_400.0, gt=0, le=31_536_000)
    job_output_mb: int = Field(4_096, ge=16, le=1_048_576)
    mlflow_tracking_uri: str = Field(
        "",
        repr=False,
        validation_alias=AliasChoices("WORKBENCH_MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_URI"),
    )
    mlflow_ui_url: str = Field(
        "", validation_alias=AliasChoices("WORKBENCH_MLFLOW_UI_URL", "MLFLOW_UI_URL")
    )
    mlflow_patience_seconds: float = Field(3_600.0, ge=0, le=604_800)
    scan_seconds: float = Field(5.0, gt=0, le=60)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    max_upload_mb: int = Field(200, ge=1, le=10_000)
    candles_max_rows: int = Field(50_000, ge=1, le=1_000_000)
    candles_max_days: Names = (
        "1m=1",
        "3m=2",
        "5m=7",
        "10m=14",
        "15m=30",
        "30m=180",
        "1h=365",
        "4h=1095",
        "1d=20000",
        "1w=50000",
        "1M=100000",
    )

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read the environment; arguments win over it.

        Raises:
            InvalidInput: a variable has a value that cannot be used; all of them are named.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            raise _readable(error) from None

    @field_validator("database_password_file", mode="before")
    @classmethod
    def _named(cls, file: Any) -> Any:
        return file or None

    @field_validator("data_dir", "strategies_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        try:
            return path.expanduser().absolute()
        except RuntimeError:
            raise ValueError("a folder; there is no home of that name") from None

    @field_validator("database_url")
    @classmethod
    def _beside_the_data(cls, url: str, info: ValidationInfo) -> str:
        data_dir, file = info.data.get("data_dir"), info.data.get("database_password_file")
        if url and file:
            return _with_password(url, file)
        return url or (f"sqlite:///{data_dir / 'workbench.db'}" if data_dir else url)

    @field_validator("allowed_hosts", "allowed_origins", "candles_max_days", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("mlflow_tracking_uri")
    @classmethod
    def _a_store(cls, uri: str) -> str:
        known = ("http://", "https://", "postgresql://", "postgresql+psycopg://", "sqlite:///")
        if uri.lower() in {"", OFF}:
            return uri.lower()
        if not uri.startswith(known):
            raise ValueError(f"empty, {OFF}, or a URI that begins with {', '.join(known)}")
        return uri.rstrip("/") if uri.startswith("http") else uri

    @field_validator("mlflow_ui_url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("an address that begins with http:// or https://")
        return url.rstrip("/")

    @property
    def tracking_uri(self) -> str | None:
        """Where runs and studies are mirrored; None for nowhere."""
        if self.mlflow_tracking_uri == OFF:
            return None
        return self.mlflow_tracking_uri or f"sqlite:///{self.data_dir / 'mlflow.db'}"

    @property
    def tracking_file(self) -> Path | None:
        """SQLite file of an MLflow of our own; None where it is another's, or off."""
        uri = self.tracking_uri or ""
        return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None

    @property
    def tracking_ui(self) -> str | None:
        """Where people see MLflow; a server shows itself."""
        uri = self.tracking_uri or ""
        return self.mlflow_ui_url or (uri if uri.startswith("http") else None)

    @property
    def tracking_dir(self) -> Path:
        """Files of mirrored runs and studies, where no server keeps them."""
        return self.data_dir / "mlflow"

    @property
    def lake_dir(self) -> Path:
        """Prices: the root of the Parquet lake."""
        return self.data_dir / "lake"

    @property
    def artifacts_dir(self) -> Path:
        """Results: equity, positions, trades and fills of finished runs."""
        return self.data_dir / "artifacts"

    @property
    def snapshots_dir(self) -> Path:
        """The exact strategy code of every run, by its hash."""
        return self.data_dir / "snapshots"

    @property
    def scratch_dir(self) -> Path:
        """Where runs write before their result is published; swept at start."""
        return self.data_dir / "scratch"

    @property
    def cache_dir(self) -> Path:
        """What can be deleted at any time: compiled kernels, the scan of strategies."""
        return self.data_dir / "cache"


def _with_password(url: str, file: Path) -> str:
    """Put the password in a file into a URL that has a user and none."""
    kind, sign, place = url.partition("://")
    user, at, host = place.partition("@")
    if not at or ":" in user:
        return url
    try:
        password = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        password = ""
    if not password:
        raise ValueError(f"its password in {file}, which is empty or cannot be read")
    return f"{kind}{sign}{user}:{quote(password, safe='')}{at}{host}"


_ADVICE = "correct it in the environment or in .env, or leave it out"


def _readable(error: ValidationError) -> InvalidInput:
    problems = []
    for fault in error.errors(include_url=False):
        name = str(fault["loc"][0]).removeprefix(PREFIX).lower() if fault["loc"] else "settings"
        found = f"{PREFIX}{name.upper()} is {fault['input']!r}"
        expected = expectation_of(fault) or message_of(fault)
        problems.append(InvalidInput(found, expected=expected, hint=_ADVICE, field=name))
    if len(problems) == 1:
        return problems[0]
    return InvalidInput(
        "; ".join(problem.message for problem in problems),
        expected="; ".join(problem.expected or "" for problem in problems),
        hint=_ADVICE,
        field="settings",
        problems=tuple(problems),
    )
