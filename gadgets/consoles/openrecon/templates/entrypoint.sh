#!/bin/sh
# Starts the server that the console connects to, as the container's first process: it receives its signals.
set -eu
# Libraries of a GPU that the host handed in are found after this alone.
ldconfig || echo "WARNING ldconfig failed: a GPU may not be found" >&2
exec malibu serve --console fire --host "${MALIBU_HOST:-0.0.0.0}" --port "${MALIBU_PORT:-9002}" \
    --config "${MALIBU_CONFIG:-multitasking}" "$@"
