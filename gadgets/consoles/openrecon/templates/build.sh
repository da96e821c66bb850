#!/usr/bin/env bash
# Builds the image of @NAME@ and packs it for @SYSTEMS@.
# Needs docker (or DOCKER=podman), python3, and the network. Arguments go to `docker build`.
set -euo pipefail
cd "$(dirname "$0")"
docker=${DOCKER:-docker}
"$docker" build --platform linux/amd64 --tag @IMAGE@ "$@" context
rm -f image.tar
"$docker" save --output image.tar @IMAGE@
python3 pack.py @TARGET@ @NAME@ image.tar
rm -f image.tar
