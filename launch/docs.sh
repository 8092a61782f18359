#!/usr/bin/env bash
# Builds the documentation site into build/site, strictly:
#
#   bash launch/docs.sh [arguments of mkdocs build]
#
# The build reads this folder alone. Open build/site/index.html in a browser; to
# search as well, serve it: python -m http.server --directory build/site
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/venv.sh

make_venv docs
export NO_MKDOCS_2_WARNING=1
.venv/bin/python -m mkdocs build --strict --quiet "$@"
echo 'The site: build/site/index.html'
