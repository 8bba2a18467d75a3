#!/usr/bin/env bash
# Trains the demo voice from nothing: demo_voice/train/run.sh DIR [PERCENT]
# Everything goes to DIR; DIR/snapshot is the checkpoint. Interrupted, the same command goes on where it was. PERCENT
# (default 100) of the sentences and steps: 10 tries the recipe out in less than an hour on two cores.
set -euo pipefail

folder=${1:-}
percent=${2:-100}
if [[ -z $folder || $folder == -* || ! $percent =~ ^([1-9][0-9]?|100)$ ]]; then
  echo "usage: $0 DIR [PERCENT], PERCENT from 1 to 100; got '$folder' and '$percent'" >&2
  exit 2
fi
here=$(dirname "$0")
python=${PYTHON:-.venv/bin/python}
# The package, and what a published snapshot looks like, in tests/.
repository=$(cd "$here/../.." && pwd)
export PYTHONPATH=$repository:$repository/tests

# Steps, sentences with samples, sizes of batches: a GPU does in minutes what takes two cores hours.
if "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  heard=16000 row_steps=4000 sample_steps=9000 talker_steps=7000 encoder_steps=1200
  batches=(--row-batch 96 --sample-batch 32) talker_batch=96 encoder_batch=64
else
  heard=6000 row_steps=14000 sample_steps=5000 talker_steps=6400 encoder_steps=3000
  batches=() talker_batch=12 encoder_batch=10
fi

share() { echo $(($1 * percent / 100)); }
train() {
  local program=$1
  shift
  echo "$program" >&2
  "$python" "$here/$program.py" "$@"
}

# beside PROGRAM ARGUMENT...: in the background, with a log of its own.
running=()
beside() {
  local program=$1
  shift
  echo "$program, beside it: $folder/$program.log" >&2
  "$python" "$here/$program.py" "$@" >> "$folder/$program.log" 2>&1 &
  running+=($!)
}
trap 'kill "${running[@]}" 2> /dev/null || true' EXIT

train sentences --out "$folder/text" --count 40000
train teacher --text "$folder/text" --out "$folder/speech" --count "$(share 30000)" --heard "$(share $heard)"
train vocabulary --text "$folder/text" --out "$folder/vocabulary"
train codes --speech "$folder/speech" --out "$folder/codes"
beside train_talker --speech "$folder/speech" --codes "$folder/codes" --vocabulary "$folder/vocabulary" \
  --out "$folder/talker" --reading-steps "$(share 700)" --steps "$(share $talker_steps)" --batch $talker_batch
beside train_encoder --speech "$folder/speech" --codes "$folder/codes" --out "$folder/encoder" \
  --steps "$(share $encoder_steps)" --batch $encoder_batch
train train_waves --speech "$folder/speech" --codes "$folder/codes" --out "$folder/waves" "${batches[@]}" \
  --row-steps "$(share $row_steps)" --sample-steps "$(share $sample_steps)"
for process in "${running[@]}"; do
  wait "$process"
done
train plot --runs "$folder" --out "$folder/losses"
train snapshot --runs "$folder" --out "$folder/snapshot"
