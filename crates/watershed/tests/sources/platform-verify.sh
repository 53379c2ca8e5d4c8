#!/usr/bin/env bash
# How the agentic platform looks whether its streams work.
set -euo pipefail
for stream in WORKFLOWS EVENTS COMMANDS; do
  nats stream info "$stream" >/dev/null && echo "ok $stream"
done
nats pub workflows.test '{"test": true}' && echo "ok publish"
