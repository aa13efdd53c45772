#!/usr/bin/env bash
# Install the clients that `make clients` tests with, into .clients, once per pair of versions. They are never vendored.
#   CLAUDE_CODE=2.1.329 CODEX=0.169.0 scripts/clients.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wanted="@anthropic-ai/claude-code@${CLAUDE_CODE:-2.1.329} @openai/codex@${CODEX:-0.169.0}"
into=.clients
if [ "$(cat "$into/installed" 2>/dev/null)" = "$wanted" ] && [ -x "$into/node_modules/.bin/claude" ] &&
  [ -x "$into/node_modules/.bin/codex" ]; then
  exit 0
fi
scripts/system.sh npm
# Node looks at no certificates of the system by itself: behind a company's proxy it would trust nobody.
system=/etc/ssl/certs/ca-certificates.crt
if [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -r "$system" ]; then
  export NODE_EXTRA_CA_CERTS=$system
fi
mkdir -p "$into"
echo "installing $wanted into $into (800 MB)"
for try in 1 2 3; do # twice more when the network stumbles
  # shellcheck disable=SC2086
  if npm install --prefix "$into" --no-fund --no-audit --loglevel=error $wanted </dev/null; then
    echo "$wanted" >"$into/installed"
    exit 0
  fi
  [ "$try" = 3 ] || sleep $((try * 5))
done
echo "the clients could not be installed: the tests with them do not run" >&2
exit 1
