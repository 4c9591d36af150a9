#!/bin/sh
# Makes .venv from requirements.lock. Does nothing when it is already made from this lock, here.
set -eu
cd "$(dirname "$0")/.."

# The path belongs to it: a copied .venv would import the project from where it was copied.
made_from="$(cat requirements.lock pyproject.toml tools/setup.sh | cksum) $(pwd -P)"
if [ "$(cat .venv/.ok 2>/dev/null)" = "$made_from" ] && .venv/bin/python -c '' 2>/dev/null; then
  exit 0
fi

fits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1; }

if [ ! -f .venv/.ok ] || [ "${made_from#* * }" != "$(cut -d' ' -f3- .venv/.ok)" ] || ! fits .venv/bin/python; then
  python=
  for candidate in "${PY:-python3.11}" python3.11 python3.12 python3.13 python3; do
    if fits "$candidate"; then python=$candidate && break; fi
  done
  if [ -z "$python" ]; then
    echo "No Python from 3.11 to 3.13 with its venv module was found on PATH." >&2
    echo "Install one (Debian, Ubuntu: apt install python3-venv; macOS: brew install python@3.11) or name it: make run PY=/path/to/python3.11" >&2
    exit 1
  fi
  echo "Setting up .venv with $("$python" --version) (a minute or three, once)"
  "$python" -m venv --clear .venv
else
  echo "Bringing .venv up to requirements.lock"
fi
rm -f .venv/.ok
# UV_SYSTEM_CERTS: behind a proxy that re-signs, uv then trusts what pip and the system trust.
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 UV_NO_PROGRESS=1 UV_SYSTEM_CERTS=1

# uv installs the lock several times faster; its own entry in the lock pins it. Without it, pip does the same.
awk '/^[a-z]/ { mine = /^uv==/ } mine' requirements.lock >.venv/uv.txt
if .venv/bin/python -m pip install -q --require-hashes -r .venv/uv.txt &&
  .venv/bin/python -m uv pip install -q --python .venv/bin/python --require-hashes -r requirements.lock; then
  :
else
  echo "uv could not install the lock; using pip, which takes a few minutes"
  .venv/bin/python -m pip install -q --no-compile --require-hashes -r requirements.lock
fi
.venv/bin/python -m pip install -q --no-deps --no-build-isolation -e .
echo "$made_from" >.venv/.ok
