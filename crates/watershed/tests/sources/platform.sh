#!/usr/bin/env bash
# An agentic platform's initialisation, as its repository has it.
set -euo pipefail

NATS_URL="${NATS_URL:-nats://localhost:4222}"

create_stream() {
  local name="$1"
  local subjects="$2"
  local retention="$3"
  local max_age="$4"
  local max_msgs="$5"
  local max_bytes="$6"
  local discard="${7:-old}"

  nats --server "$NATS_URL" stream add "$name" \
    --subjects "$subjects" \
    --retention "$retention" \
    --max-age "$max_age" \
    --max-msgs "$max_msgs" \
    --max-bytes "$max_bytes" \
    --storage file \
    --replicas 1 \
    --discard "$discard" \
    --no-allow-rollup \
    --defaults || log_error "could not create $name"
  log_success "$name configured"
}

create_consumer() {
  local stream="$1"
  local name="$2"
  local filter="$3"
  local mode="$4"
  local wait="$5"
  local deliver="$6"

  nats --server "$NATS_URL" consumer add "$stream" "$name" \
    --filter "$filter" \
    --ack explicit \
    --ack-wait "$wait" \
    --max-deliver "$deliver" \
    --deliver all \
    --replay instant \
    $mode 2>/dev/null || echo "may exist"
}

for i in $(seq 1 30); do
  nats --server "$NATS_URL" server ping && break
  sleep 2
done

create_stream WORKFLOWS     "workflows.>"     work     7d  1000000   10G
create_stream EVENTS        "events.>"        limits   30d 10000000  50G
create_stream LOGS          "logs.>"          limits   14d 50000000  100G
create_stream COMMANDS      "commands.>"      work     1h  100000    1G
create_stream TELEMETRY     "telemetry.>"     limits   7d  100000000 200G
create_stream NOTIFICATIONS "notifications.>" interest 24h 1000000   5G

create_consumer WORKFLOWS workflow-processor "workflows.*" --pull 30s 3
create_consumer COMMANDS command-executor "commands.*" --pull 60s 1
create_consumer TELEMETRY metrics-collector "telemetry.metrics.>" --pull 30s 3
# Pushed to whoever listens.
nats --server "$NATS_URL" consumer add EVENTS event-logger --filter "" --ack explicit --wait 20s --max-deliver 5 --deliver all --replay instant --defaults
