#!/usr/bin/env bash
# Look for the system packages that swarm uses: git, tmux, bubblewrap, and Python's venv.
#   scripts/system.sh        git and venv have to be there, without the others it goes on with less
#   scripts/system.sh all    all of them have to be there, and Chromium (the tests use them)
#   scripts/system.sh npm    Node.js with npm has to be there too (the tests with real clients use it)
# As root on Debian or Ubuntu what is missing is installed; elsewhere the command that installs it is printed.
set -euo pipefail

python=${PYTHON:-python3}
everything=${1:-}

missing() {
  command -v git >/dev/null || echo git
  command -v tmux >/dev/null || echo tmux
  command -v bwrap >/dev/null || echo bubblewrap
  if [ "$everything" = npm ]; then
    command -v node >/dev/null || echo nodejs
    command -v npm >/dev/null || echo npm
  fi
  if [ "$everything" = all ]; then # a page that attacks the door is shown by a real browser
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || echo chromium
  fi
  if [ ! -x .venv/bin/python ]; then
    command -v "$python" >/dev/null || echo python3
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  fi
}

install() { # twice more when the network stumbles
  local try
  for try in 1 2 3; do
    if DEBIAN_FRONTEND=noninteractive apt-get update -q </dev/null >/dev/null &&
      DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" </dev/null >/dev/null; then
      return 0
    fi
    [ "$try" = 3 ] || sleep $((try * 5))
  done
  return 1
}

read -r -a gone <<<"$(missing | tr '\n' ' ')"
[ "${#gone[@]}" = 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${gone[*]} (apt-get)"
  install "${gone[@]}" || echo "apt-get could not install ${gone[*]}" >&2
  read -r -a gone <<<"$(missing | tr '\n' ' ')"
  [ "${#gone[@]}" = 0 ] && exit 0
fi

echo "missing: ${gone[*]}" >&2
if command -v apt-get >/dev/null; then
  echo "  install: sudo apt-get update && sudo apt-get install -y ${gone[*]}" >&2
elif command -v dnf >/dev/null; then
  echo "  install: sudo dnf install -y ${gone[*]}" >&2
elif command -v pacman >/dev/null; then
  echo "  install: sudo pacman -S ${gone[*]}" >&2
else
  echo "  install them with your system's package manager" >&2
fi
for name in "${gone[@]}"; do
  case $name in
    tmux) echo "  without tmux agents run as plain processes: nothing to attach to" >&2 ;;
    bubblewrap) echo "  without bubblewrap runs are not sandboxed" >&2 ;;
    chromium | nodejs | npm) echo "  $name is for the tests only" >&2 ;;
  esac
done
if [ -n "$everything" ] || [[ " ${gone[*]} " =~ \ (git|python3|python3-venv)\  ]]; then
  exit 1
fi
