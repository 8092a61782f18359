#!/usr/bin/env bash
# From nothing to a co-finetuned model, on a CPU, with made-up films:
#
#   bash launch/demo.sh [arguments of vidpetl.main]
#
# Leaves raw folders, records and the run below demo/. Run again, it goes on
# where it stopped; remove demo/ to begin anew.
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/venv.sh

CONFIG=configs/cofinetune_ava.py:demo
DATASETS=(ava kinetics400 moments_in_time something_something_v2)
report=()

phase() {
  local name=$1 begin=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@"
  report+=("$(printf '%6d s  %s' $((SECONDS - begin)) "$name")")
}

prepare() {
  local dataset options
  for dataset in "${DATASETS[@]}"; do
    options=(--copy)
    if [[ "$dataset" == ava ]]; then
      # A clip of the demo's model reaches 1.07 s before its keyframe.
      options=(--window=1.2)
    fi
    .venv/bin/python -m vidpetl.prepare --dataset="$dataset" \
      --raw="demo/raw/$dataset" --out=demo/records "${options[@]}"
  done
}

export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}"
phase 'install' make_venv
phase 'draw the films' .venv/bin/python -m vidpetl.world --out=demo/raw \
  --datasets="$(IFS=,; echo "${DATASETS[*]}")"
phase 'prepare records' prepare
phase 'train and evaluate' .venv/bin/python -m vidpetl.main \
  --config="$CONFIG" --workdir=demo/run "$@"

printf '\n'
printf '%s\n' "${report[@]}" "$(printf '%6d s  in all' "$SECONDS")"
printf '\nCurves, boxes and pictures:\n  %s\n' \
  '.venv/bin/tensorboard --logdir=demo/run'
