#!/usr/bin/env bash
# Trains the demo voice from nothing: demo_voice/train/run.sh DIR [PERCENT]
# Everything goes to DIR; DIR/snapshot is the checkpoint. Interrupted, the same command goes on where it was. PERCENT
# (default 100) of the sentences and steps: 10 tries the recipe out in less than an hour on two cores.
set -euo pipefail

folder=${1:?usage: $0 DIR [PERCENT]}
percent=${2:-100}
here=$(dirname "$0")
python=${PYTHON:-.venv/bin/python}

share() { echo $(($1 * percent / 100)); }
train() {
  local program=$1
  shift
  echo "$program" >&2
  "$python" "$here/$program.py" "$@"
}

train sentences --out "$folder/text" --count 40000
train teacher --text "$folder/text" --out "$folder/speech" --count "$(share 30000)" --heard "$(share 3000)"
train vocabulary --text "$folder/text" --out "$folder/vocabulary"
train codes --speech "$folder/speech" --out "$folder/codes"
train train_talker --speech "$folder/speech" --codes "$folder/codes" --vocabulary "$folder/vocabulary" \
  --out "$folder/talker" --reading-steps "$(share 700)" --steps "$(share 6400)" > "$folder/talker.log" 2>&1 &
talker=$!
trap 'kill "$talker" 2> /dev/null || true' EXIT
train train_waves --speech "$folder/speech" --codes "$folder/codes" --out "$folder/waves" \
  --row-steps "$(share 14000)" --steps "$(share 2500)"
train train_encoder --speech "$folder/speech" --codes "$folder/codes" --out "$folder/encoder" --steps "$(share 6000)"
wait "$talker"
train plot --runs "$folder" --out "$folder/losses"
train snapshot --runs "$folder" --out "$folder/snapshot"
