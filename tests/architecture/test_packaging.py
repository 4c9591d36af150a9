"""What installs, builds and starts the project."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from core.cli.parser import build_parser
from core.settings import PREFIX, Settings
from core.tracking.connection import SERVER_ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
# Parts of one library that come as distributions of their own: what they belong to pins them.
BELONGS_TO = {
    "annotated-types": "pydantic",
    "pydantic-core": "pydantic",
    "starlette": "fastapi",
    "typing-extensions": "pydantic",
}


@pytest.fixture
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return document


def entries() -> list[tuple[str, str]]:
    """Name and whole entry of each package in the lock."""
    text = (ROOT / "requirements.lock").read_text("utf-8")
    return re.findall(r"^([a-z0-9][a-z0-9._-]*)==((?:.*\\\n)*.*)$", text, re.MULTILINE)


def canonical(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name.group()).lower()


def test_every_dependency_is_locked_with_a_hash() -> None:
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    wanted += [item for extra in project["optional-dependencies"].values() for item in extra]

    locked = {canonical(name): entry for name, entry in entries()}

    assert {canonical(item) for item in wanted} <= set(locked)
    assert [name for name, entry in locked.items() if "--hash=sha256:" not in entry] == []


def imported(file: Path) -> set[str]:
    """Top-level packages a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_what_the_product_imports_is_declared_and_not_met_by_chance() -> None:
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    files = [ROOT / "main.py", *(file for room in packages for file in (ROOT / room).rglob("*.py"))]
    foreign = set().union(*map(imported, files)) - sys.stdlib_module_names - {*packages, "main"}
    optional = PROJECT["project"]["optional-dependencies"].values()
    declared = {canonical(item) for item in PROJECT["project"]["dependencies"]}
    declared |= {canonical(item) for extra in optional for item in extra}

    provided_by = packages_distributions()
    needed = {name: {canonical(each) for each in provided_by[name]} for name in foreign}
    undeclared = {
        name
        for name, distributions in needed.items()
        if not {BELONGS_TO.get(each, each) for each in distributions} & declared
    }

    assert {"numpy", "pandas", "polars"} <= foreign
    assert undeclared == set()


def test_pins_of_the_project_are_the_pins_of_the_lock() -> None:
    locked = {canonical(name): re.split(r"[\s;\\]", entry)[0] for name, entry in entries()}
    pins = [
        re.match(r"([A-Za-z0-9._-]+)(?:\[.*?\])?==([^\s;]+)", item)
        for item in [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    ]

    wrong = {pin[1]: pin[2] for pin in pins if pin and locked[canonical(pin[1])] != pin[2]}

    assert wrong == {}


def test_the_dockerfile_passes_its_linter() -> None:
    lint = subprocess.run(
        [Path(sys.executable).parent / "hadolint", "Dockerfile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert lint.returncode == 0, lint.stdout


def test_the_image_holds_every_package_of_the_project() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    ignored = (ROOT / ".dockerignore").read_text("utf-8")
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    copied = [
        word
        for line in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE)
        for word in line.split()[:-1]
    ]

    assert set(packages) <= set(copied)
    assert [word for word in copied if not (ROOT / word).exists()] == []
    assert [word for word in copied if f"!{word}\n" not in ignored] == []


OURS = f"quant-workbench:{PROJECT['project']['version']}"
ENDING = {"migrate", "prepare"}  # services that do one thing


def test_compose_publishes_on_this_machine_only(compose: dict[str, Any]) -> None:
    published = {name: service.get("ports", []) for name, service in compose["services"].items()}

    assert {name: ports for name, ports in published.items() if ports} == {
        "postgres": ["127.0.0.1:5432:5432"],
        "mlflow": ["127.0.0.1:5000:5000"],
        "ui": ["127.0.0.1:8501:8501"],
        "api": ["127.0.0.1:8000:8000"],
    }
    assert not any(service.get("network_mode") for service in compose["services"].values())


def test_compose_runs_one_image_with_a_command_per_service(compose: dict[str, Any]) -> None:
    services = dict(compose["services"])
    postgres = services.pop("postgres")

    assert re.fullmatch(r"postgres:\d+\.\d+", postgres["image"])
    assert {service["image"] for service in services.values()} == {OURS}
    assert {name: service["command"][2] for name, service in services.items()} == {
        "mlflow": "mlflow",
        "migrate": "core",
        "prepare": "core",
        "ui": "ui",
        "api": "api",
        "worker": "core",
        "dask-scheduler": "dask",
        "dask-worker": "dask",
    }


def test_compose_says_of_every_service_whether_it_is_well(compose: dict[str, Any]) -> None:
    """By an address that its own command line opens, or by a command that exists."""
    services = compose["services"]
    disabled = {
        name for name, each in services.items() if each.get("healthcheck", {}).get("disable")
    }
    assert disabled == ENDING
    ports = {"ui": 8501, "api": 8000, "mlflow": 5000, "dask-scheduler": 8787, "dask-worker": 8790}
    for name, port in ports.items():
        assert "healthcheck" not in services[name], "that of the image asks the address"
        address = services[name]["environment"]["HEALTH_URL"]
        assert address.startswith(f"http://127.0.0.1:{port}/")
    for name in ("mlflow", "dask-scheduler", "dask-worker"):
        assert re.search(rf"(--port=|:){ports[name]}\b", " ".join(services[name]["command"]))

    kind, *words = services["worker"]["healthcheck"]["test"]
    assert (kind, words[:3]) == ("CMD", ["python", "-m", "core"])
    assert build_parser().parse_args(words[3:]).check
    assert services["postgres"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    for name in ("worker", "postgres"):
        assert {"interval", "timeout", "start_period", "retries"} <= set(
            services[name]["healthcheck"]
        )


def test_compose_starts_services_that_can_be_started(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, each in services.items():
        for other, condition in each.get("depends_on", {}).items():
            ends = condition["condition"] == "service_completed_successfully"
            assert ends == (other in ENDING), (name, other)
            assert other in services
        # What starts without a profile must not wait for what does not.
        if "profiles" not in each:
            assert not any("profiles" in services[other] for other in each.get("depends_on", {}))
        if each.get("command", ["", "", ""])[2] == "core":
            assert build_parser().parse_args(each["command"][3:])


def test_compose_keeps_secrets_in_files_and_memory_in_bounds(compose: dict[str, Any]) -> None:
    services, secrets = compose["services"], compose["secrets"]
    assert all(set(each) == {"file"} for each in secrets.values())
    for name, each in services.items():
        assert set(each.get("secrets", [])) <= set(secrets)
        for variable, value in each.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN", variable):
                assert variable.endswith("_FILE"), (name, variable)
                assert value.removeprefix("/run/secrets/") in each["secrets"]
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), (name, variable)
        assert re.fullmatch(r"[1-9]\d*g", each["mem_limit"]), name
        for volume in each.get("volumes", []):
            assert volume.partition(":")[0] in compose["volumes"]
    gigabytes = {name: int(each["mem_limit"][:-1]) for name, each in services.items()}
    usual = Settings()
    assert gigabytes["worker"] * 1_024 > usual.job_memory_mb + 1_024
    assert gigabytes["dask-worker"] * 1_024 > usual.job_memory_mb + 1_024
    assert min(gigabytes["ui"], gigabytes["api"]) * 1_024 > usual.run_memory_mb + 1_024
    assert "/secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_compose_starts_mlflow_as_the_command_does(compose: dict[str, Any]) -> None:
    environment = compose["services"]["mlflow"]["environment"]

    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"):
        assert environment[name] == SERVER_ENVIRONMENT[name]
    host = urlsplit(compose["services"]["worker"]["environment"]["WORKBENCH_MLFLOW_TRACKING_URI"])
    words = compose["services"]["mlflow"]["command"]
    (allowed,) = (word for word in words if word.startswith("--allowed-hosts="))
    assert host.netloc in allowed.partition("=")[2].split(",")


def test_compose_sets_only_settings_that_exist(compose: dict[str, Any]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    given = {
        name
        for service in compose["services"].values()
        for name in service.get("environment", {})
        if name.startswith(PREFIX)
    }

    assert given
    assert given <= known


def test_ci_runs_what_developers_run() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")

    assert "set -euo pipefail" in script
    assert script.rstrip().endswith("exec make test")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


@pytest.mark.parametrize("script", ["tools/setup.sh", "tools/browser.sh", ".ci/run"])
def test_scripts_are_valid_shell(script: str) -> None:
    shell = "bash" if script == ".ci/run" else "sh"

    assert subprocess.run([shell, "-n", script], cwd=ROOT, check=False).returncode == 0


def test_the_setup_script_does_nothing_where_it_has_run(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    for name in ("requirements.lock", "pyproject.toml", "tools/setup.sh"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").symlink_to(sys.executable)
    stamp = subprocess.run(
        [
            "sh",
            "-c",
            'echo "$(cat requirements.lock pyproject.toml tools/setup.sh | cksum) $(pwd -P)"',
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (tmp_path / ".venv" / ".ok").write_text(stamp, "utf-8")

    run = subprocess.run(
        ["sh", "tools/setup.sh"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_setup_script_says_what_to_install_where_no_python_fits(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    for name in ("requirements.lock", "pyproject.toml", "tools/setup.sh"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("cat", "cksum", "dirname", "cut"):
        found = subprocess.run(
            ["sh", "-c", f"command -v {name}"], capture_output=True, text=True, check=True
        )
        (programs / name).symlink_to(found.stdout.strip())

    run = subprocess.run(
        ["/bin/sh", "tools/setup.sh"],
        cwd=tmp_path,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert "No Python from 3.11 to 3.13" in run.stderr
    assert "PY=" in run.stderr
