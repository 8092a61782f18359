#!/usr/bin/env bash
# Trains on a Cloud TPU, of one host or a pod:
#
#   bash launch/tpu_pod.sh --name=ava --zone=us-central2-b --type=v4-64 \
#     --version=tpu-ubuntu2204-base --config=configs/cofinetune_ava.py \
#     --workdir=gs://bucket/runs/ava
#
# Creates the TPU VM, copies this folder to all its workers, installs, trains,
# and deletes it when training has finished. If anything fails or is interrupted,
# the VM is left as it is. The same command again goes on: it takes the VM that
# there is, replaces one that was preempted, and training resumes from --workdir.
# The exit status is 75 if training was told to stop and has saved, which gcloud
# passes on.
#
#   --project=ID    of Google Cloud; gcloud's own default if not given
#   --spot          a VM that may be preempted, for less
#   --collect=DIR   copies the workdir here at the end
#   --keep          does not delete the VM
#   --dry-run       prints the commands instead of running them
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  echo "$1 See the head of launch/tpu_pod.sh." >&2
  exit 2
}

name='' zone='' type='' version='' config='' workdir='' project='' collect=''
spot=false keep=false dry_run=false
for argument in "$@"; do
  case "$argument" in
    --name=* | --zone=* | --type=* | --version=* | --config=* | --workdir=* | \
      --project=* | --collect=*)
      key=${argument%%=*}
      printf -v "${key#--}" '%s' "${argument#*=}"
      ;;
    --spot) spot=true ;;
    --keep) keep=true ;;
    --dry-run) dry_run=true ;;
    *) usage "Unknown argument $argument." ;;
  esac
done
for key in name zone type version config workdir; do
  [[ -n "${!key}" ]] || usage "--$key is missing."
done
[[ "$workdir" == gs://* ]] \
  || usage "--workdir must be gs://..., which all workers see; is $workdir."

place=(--zone="$zone")
[[ -z "$project" ]] || place+=(--project="$project")
tpu=(gcloud compute tpus tpu-vm)
archive=$(mktemp -d)/vidpetl.tar.gz
trap 'rm -rf "$(dirname "$archive")"' EXIT

run() {
  local word line=''
  for word in "$@"; do
    [[ "$word" =~ ^[A-Za-z0-9_@%+=:,./-]+$ ]] || word="'$word'"
    line+="$word "
  done
  printf '%s\n' "${line% }"
  "$dry_run" || "$@"
}

on_all_workers() {
  run "${tpu[@]}" ssh "$name" "${place[@]}" --worker=all --command="$1"
}

create() {
  local state='' extra=()
  if ! "$dry_run"; then
    state=$("${tpu[@]}" describe "$name" "${place[@]}" \
      --format='value(state)' 2>/dev/null) || state=''
  fi
  case "$state" in
    READY) return ;;
    '') ;;
    PREEMPTED | TERMINATED)
      run "${tpu[@]}" delete "$name" "${place[@]}" --quiet
      ;;
    *)
      echo "TPU VM $name is $state; wait until it is READY, or delete it." >&2
      exit 1
      ;;
  esac
  if "$spot"; then
    extra=(--spot)
  fi
  run "${tpu[@]}" create "$name" "${place[@]}" --accelerator-type="$type" \
    --version="$version" ${extra[@]+"${extra[@]}"}
}

copy() {
  run tar -czf "$archive" --exclude=./.git --exclude=./.venv \
    --exclude=./demo --exclude=./runs --exclude=__pycache__ .
  run "${tpu[@]}" scp "$archive" "$name:vidpetl.tar.gz" "${place[@]}" \
    --worker=all
}

# The image's own Python may be older than 3.11, so uv brings one along.
INSTALL='mkdir -p vidpetl && tar -xzf vidpetl.tar.gz -C vidpetl && cd vidpetl'
INSTALL+=' && { test -x .venv/bin/python || {'
INSTALL+=' python3 -m pip install --quiet --user uv'
INSTALL+=' && python3 -m uv venv --quiet --seed --python=3.11 .venv; }; }'
INSTALL+=' && source launch/venv.sh && make_venv tpu'

# A run that lost its connection may still hold the TPU: let it save and end.
OLD='"^[^ ]*python -m vidpetl[.]main"'
TRAIN="cd vidpetl; pkill -TERM -f $OLD;"
TRAIN+=" while pgrep -f $OLD >/dev/null; do sleep 1; done;"
TRAIN+=' .venv/bin/python -m vidpetl.main --multihost'

create
copy
on_all_workers "$INSTALL"
on_all_workers "$TRAIN$(printf ' %q' --config="$config" --workdir="$workdir")"
if [[ -n "$collect" ]]; then
  run mkdir -p "$collect"
  run gcloud storage rsync --recursive "$workdir" "$collect"
fi
if "$keep"; then
  echo "TPU VM $name is still there, and still paid for."
else
  run "${tpu[@]}" delete "$name" "${place[@]}" --quiet
fi
