"""The shell scripts: their syntax, and what the TPU script runs."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SCRIPTS = [
  *sorted((ROOT / 'launch').glob('*.sh')),
  ROOT / 'launch' / 'slurm.sbatch',
  ROOT / '.ci' / 'run',
]


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.name)
def test_syntax(path):
  subprocess.run(['bash', '-n', str(path)], check=True)


def _tpu_pod(*arguments):
  return subprocess.run(
    ['bash', str(ROOT / 'launch' / 'tpu_pod.sh'), *arguments],
    capture_output=True,
    text=True,
  )


REQUIRED = (
  '--name=ava',
  '--zone=us-central2-b',
  '--type=v4-64',
  '--version=tpu-ubuntu2204-base',
  '--config=configs/cofinetune_ava.py:variant=L',
  '--workdir=gs://bucket/run',
)


def test_tpu_pod_dry_run():
  result = _tpu_pod('--dry-run', '--spot', '--project=mine', *REQUIRED)
  assert result.returncode == 0, result.stderr
  create, pack, copy, install, train, delete = result.stdout.splitlines()
  tpu = 'gcloud compute tpus tpu-vm'
  place = '--zone=us-central2-b --project=mine'
  assert create == (
    f'{tpu} create ava {place} --accelerator-type=v4-64 '
    '--version=tpu-ubuntu2204-base --spot'
  )
  assert pack.startswith('tar -czf ') and '--exclude=./.venv' in pack
  assert copy.startswith(f'{tpu} scp ') and copy.endswith('--worker=all')
  everywhere = f"{tpu} ssh ava {place} --worker=all '--command="
  assert install.startswith(everywhere) and 'make_venv tpu' in install
  assert train.startswith(everywhere)
  assert train.endswith(
    '.venv/bin/python -m vidpetl.main --multihost '
    "--config=configs/cofinetune_ava.py:variant=L --workdir=gs://bucket/run'"
  )
  assert delete == f'{tpu} delete ava {place} --quiet'


def test_tpu_pod_collects_and_keeps():
  result = _tpu_pod('--dry-run', '--keep', '--collect=out', *REQUIRED)
  lines = result.stdout.splitlines()
  assert 'gcloud storage rsync --recursive gs://bucket/run out' in lines
  assert not any(' delete ' in line for line in lines)
  assert 'still paid for' in lines[-1]


def test_tpu_pod_keeps_the_vm_of_a_run_that_was_interrupted(tmp_path):
  gcloud = tmp_path / 'gcloud'
  gcloud.write_text(
    '#!/bin/sh\necho "$@" >>"$0.txt"\n'
    'case "$*" in *vidpetl.main*) exit 75 ;; *describe*) echo READY ;; esac\n'
  )
  gcloud.chmod(0o755)
  # What would be packed is this repository.
  (tmp_path / 'tar').symlink_to('/bin/true')
  result = subprocess.run(
    ['bash', str(ROOT / 'launch' / 'tpu_pod.sh'), *REQUIRED],
    env={'PATH': f'{tmp_path}:/usr/bin:/bin'},
    capture_output=True,
    text=True,
  )
  assert result.returncode == 75, result.stderr
  asked = (tmp_path / 'gcloud.txt').read_text()
  assert 'vidpetl.main' in asked and ' delete ' not in asked


@pytest.mark.parametrize(
  'arguments, message',
  [
    (REQUIRED[1:], '--name is missing'),
    ((*REQUIRED, '--workdir=/tmp/run'), '--workdir must be gs://'),
    ((*REQUIRED, '--spto'), 'Unknown argument --spto'),
  ],
)
def test_tpu_pod_refuses(arguments, message):
  result = _tpu_pod('--dry-run', *arguments)
  assert result.returncode == 2
  assert message in result.stderr
  assert result.stdout == ''


def test_an_old_python_is_refused(tmp_path):
  old = tmp_path / 'old-python'
  old.write_text('#!/bin/sh\nexit 1\n')
  old.chmod(0o755)
  result = subprocess.run(
    ['bash', '-c', 'set -euo pipefail; source launch/venv.sh; find_python'],
    env={'PATH': '/usr/bin:/bin', 'PYTHON': str(old)},
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert result.returncode != 0
  assert 'needs Python 3.11 or newer' in result.stderr


def _required():
  """Returns the names in setup.py's install_requires."""
  setup = (ROOT / 'setup.py').read_text()
  listed = setup.partition('install_requires=[')[2].partition('\n  ],')[0]
  return set(re.findall(r"^    '([\w-]+)", listed, re.MULTILINE))


def test_constraints_name_what_setup_requires():
  pinned = {
    line.split('==')[0]
    for line in (ROOT / 'constraints.txt').read_text().splitlines()
    if '==' in line
  }
  required = _required()
  assert 'jax' in required and len(required) > 15
  assert required <= pinned


def test_the_oldest_versions_are_the_lower_bounds():
  bounds = dict(
    re.findall(
      r"'([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)", (ROOT / 'setup.py').read_text()
    )
  )
  pins = dict(
    re.findall(
      r'^([\w-]+)==([\d.]+)$',
      (ROOT / 'constraints-oldest.txt').read_text(),
      re.MULTILINE,
    )
  )
  tested = bounds.keys() & pins.keys()
  assert {'jax', 'numpy', 'etils', 'pytest'} <= tested
  for name in tested:
    bound, pin = (v.removesuffix('.0') for v in (bounds[name], pins[name]))
    assert bound in (pin, pin.removesuffix('.0')), name
  assert _required() <= pins.keys()
