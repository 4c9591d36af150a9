#!/bin/sh
# Sees to it that there is a Chromium for the browser tests: one given, one installed, apt, Playwright's own.
set -eu
cd "$(dirname "$0")/.."

if [ -n "${CHROMIUM_PATH:-}" ]; then
  [ -x "$CHROMIUM_PATH" ] && exit 0
  echo "CHROMIUM_PATH is $CHROMIUM_PATH, which is not a program. Correct or unset it." >&2
  exit 1
fi
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing chromium with apt"
  if apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-liberation >/dev/null; then
    exit 0
  fi
fi
echo "Installing chromium with playwright"
if .venv/bin/python -m playwright install chromium; then exit 0; fi
echo "The browser tests need a Chromium and none could be installed. Install one (apt install chromium, brew install chromium) or set CHROMIUM_PATH." >&2
exit 1
