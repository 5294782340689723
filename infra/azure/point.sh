#!/usr/bin/env sh
# Looks at what azd has deployed, and lets the Twilio number lead there. azd runs it with its environment's values.
set -eu
cd "$(dirname "$0")/../.."

program=${VOICE_AGENT:-.venv/bin/voice-agent}
if [ ! -x "$program" ]; then
  echo "point: run make setup first, or say VOICE_AGENT=/path/to/voice-agent" >&2
  exit 2
fi

echo "point: waiting for $PUBLIC_URL"
tries=0
until "$program" doctor --remote "$PUBLIC_URL" >/dev/null; do
  tries=$((tries + 1))
  if [ "$tries" -ge 30 ]; then
    break
  fi
  sleep 10
done
"$program" doctor --remote "$PUBLIC_URL"

if [ -z "${TWILIO_PHONE_NUMBER:-}" ]; then
  echo "point: no number leads there yet. Say which: azd env set TWILIO_PHONE_NUMBER +14255550100, then azd hooks run postdeploy"
  exit 0
fi
"$program" numbers point "$TWILIO_PHONE_NUMBER"
