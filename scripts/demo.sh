#!/usr/bin/env bash
# From a checkpoint to demo.wav, with the programs a user would call: `make demo` runs it with DEMO_* set.
# `make serve` calls it with the word serve: then a server speaks what is made, with the flags that follow.
# Steps whose inputs have not changed since they last finished are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

demo_voice=demo_voice/snapshot
checkpoint=${DEMO_CHECKPOINT:-$demo_voice}
text=${DEMO_TEXT:-The train to London leaves at 6:45.}
language=${DEMO_LANGUAGE:-}
if [ "$checkpoint" = "$demo_voice" ]; then language=${language:-english}; fi
# Any folder or hub id as one file name.
work=build/demo/$(printf '%s' "$checkpoint" | tr -c 'A-Za-z0-9._-' '-')
started=$SECONDS
mkdir -p "$work"

# step NAME INPUT... -- COMMAND...: runs the command unless NAME finished after every input's last change.
step() {
  local name=$1 done_file=$work/.$1-done inputs=()
  shift
  while [ "$1" != -- ]; do
    inputs+=("$1")
    shift
  done
  shift
  if [ -e "$done_file" ] && [ -z "$(find -L "${inputs[@]}" -newer "$done_file" -type f ! -name '*.pyc' -print -quit)" ]; then
    printf '== %-8s up to date\n' "$name"
    return
  fi
  rm -f "$done_file"
  printf '== %-8s %s\n' "$name" "$*"
  local begin=$SECONDS
  "$@"
  printf '== %-8s done in %d s\n' "$name" $((SECONDS - begin))
  touch "$done_file"
}

package=(qwen3_tts requirements*.txt)
convert_inputs=(convert_weights.py "${package[@]}")
if [ -d "$checkpoint" ]; then convert_inputs+=("$checkpoint"); fi
step convert "${convert_inputs[@]}" -- \
  .venv/bin/python convert_weights.py "$checkpoint" --output-dir "$work/checkpoint"
step export export_unified.py "${package[@]}" "$work/.convert-done" -- \
  .venv/bin/python export_unified.py --checkpoint "$work/checkpoint" --output "$work/model.pte" \
  --recipe balanced

if [ "${1:-}" = serve ]; then
  shift
  name=demo
  if [ "$checkpoint" != "$demo_voice" ]; then name=$(basename "$checkpoint" | tr -c 'A-Za-z0-9._\n-' '-'); fi
  export PYTHONPATH=bindings/python QWEN3_TTS_LIBRARY_DIR=build/cpu
  exec .venv/bin/python -m qwen3_tts_runtime.server --model "$name=$work/model.pte" "$@"
fi

# A CustomVoice model needs one of its speakers; without SPEAKER it is the first one.
speaker=${DEMO_SPEAKER:-$(.venv/bin/python - "$work/checkpoint/config.json" <<'END'
import json, pathlib, sys
config = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
print(next(iter(config["talker_config"].get("spk_id") or [""])))
END
)}
speak=(build/cpu/qwen3_tts_runner --model_path "$work/model.pte" --text "$text" --output demo.wav)
if [ -n "$speaker" ]; then speak+=(--speaker "$speaker"); fi
if [ -n "$language" ]; then speak+=(--language "$language"); fi
if [ -n "${DEMO_INSTRUCT:-}" ]; then speak+=(--instruct "$DEMO_INSTRUCT"); fi
printf '== %-8s' speak
for word in "${speak[@]}"; do
  case $word in
    *[!A-Za-z0-9._/-]*) printf " '%s'" "${word//\'/\'\\\'\'}" ;;
    *) printf ' %s' "$word" ;;
  esac
done
printf '\n'
"${speak[@]}"

cat <<END

demo.wav        $(.venv/bin/python -c 'import wave; w = wave.open("demo.wav"); print(f"{w.getnframes() / w.getframerate():.2f} s, {w.getframerate()} Hz")')
text            $text
model           $work/model.pte, $(du -m "$work/model.pte" | cut -f 1) MB
checkpoint      $checkpoint
all steps took  $((SECONDS - started)) s
END
if [ "$checkpoint" = "$demo_voice" ]; then
  printf '\n%s\n' "This is the small demo voice; a real one: make demo CHECKPOINT=Qwen/Qwen3-TTS-12Hz-0.6B-CustomVoice"
fi
