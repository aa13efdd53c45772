#!/usr/bin/env bash
# Print the versions that a Python environment holds, for constraints.txt: no editable line, no address, no local build.
set -euo pipefail
echo "# The versions that swarm was tested with (make lock writes this). pip install -c constraints.txt ."
"$1" -m pip freeze --exclude-editable | grep -vE ' @ |^-e|^swarm-research' | sed -E 's/\+[a-z0-9.]+$//' | sort -f
