#!/bin/sh
# Find a Chromium for the browser tests, or install one: Debian's package when we are root, else
# Playwright's own build.
set -eu

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null 2>&1; then
    exit 0
  fi
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing Debian's Chromium for the browser tests."
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
    chromium fonts-dejavu-core >/dev/null
else
  "${PYTHON:-python3}" -m playwright install chromium
fi
