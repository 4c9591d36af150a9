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

import pytest
import yaml

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


def test_compose_publishes_on_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_runs_one_image_with_a_command_per_service(compose: dict[str, Any]) -> None:
    services = compose["services"]

    assert {service["image"] for service in services.values()} == {
        f"quant-workbench:{PROJECT['project']['version']}"
    }
    assert {name: service["command"][2] for name, service in services.items()} == {
        "prepare": "core",
        "ui": "ui",
        "api": "api",
        "worker": "core",
        "dask-scheduler": "dask",
        "dask-worker": "dask",
    }


def test_compose_sets_only_settings_that_exist(compose: dict[str, Any]) -> None:
    from core.settings import PREFIX, Settings

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
