"""What SECURITY.md says of vidpetl's source, workflows and versions."""

import ast
import functools
import hashlib
import re
import shutil
import subprocess

import experiments
import pytest
import yaml

ROOT = experiments.ROOT
WORKFLOWS = sorted((ROOT / '.github' / 'workflows').glob('*.yml'))
# Calls that run what is in a file, or write where an archive says.
HARMFUL = {
  *('pickle.load', 'pickle.loads', 'torch.load', 'joblib.load', 'dill.load'),
  *('eval', 'exec', 'os.system', 'os.popen', 'yaml.load', 'yaml.unsafe_load'),
  *('shutil.unpack_archive', 'tarfile.open', 'marshal.loads'),
}
METHODS = {'extractall', 'extract'}
# What opens connections, and which modules do so.
NETWORK = {'socket', 'ssl', 'ftplib', 'smtplib', 'requests', 'httpx', 'urllib3'}
NETWORK |= {'urllib.request', 'http.client', 'http.server', 'xmlrpc'}
CONNECTED = {
  'vidpetl/training/liveness.py',
  'vidpetl/data/decoding_processes.py',  # To a process that it has started.
}
# What a process unpacks that was sent by the one that started it.
SENT = {'vidpetl/data/decoding_process.py: pickle.loads'}


@functools.cache
def _nodes():
  """Returns (file, node) of every import and call in vidpetl."""
  wanted = (ast.Import, ast.ImportFrom, ast.Call)
  return [
    (str(path.relative_to(ROOT)), node)
    for path in sorted((ROOT / 'vidpetl').rglob('*.py'))
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
    if isinstance(node, wanted)
  ]


def _harmful(call):
  called = ast.unparse(call.func)
  words = {word.arg: ast.unparse(word.value) for word in call.keywords}
  allowed = ('allow_pickle', 'shell', 'trust_remote_code')
  return (
    called in HARMFUL
    or ('.' in called and called.rpartition('.')[2] in METHODS)
    or any(words.get(word) == 'True' for word in allowed)
  )


def _imported(node):
  names = [alias.name for alias in node.names]
  if isinstance(node, ast.Import):
    return names
  return [node.module, *(f'{node.module}.{name}' for name in names)]


def test_nothing_that_is_read_is_run_or_unpacked():
  found, calls = [], 0
  for path, node in _nodes():
    if isinstance(node, ast.Call):
      calls += 1
      if _harmful(node):
        found.append(f'{path}: {ast.unparse(node.func)}')
  assert calls > 1000 and set(found) == SENT


def test_only_what_watches_or_starts_processes_opens_connections():
  found = {
    path
    for path, node in _nodes()
    if not isinstance(node, ast.Call) and NETWORK & set(_imported(node))
  }
  assert found == CONNECTED


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_names_actions_by_commit_and_may_only_read(path):
  text = path.read_text()
  assert yaml.safe_load(text)['permissions'] == {'contents': 'read'}
  used = re.findall(r'uses: (.*)', text)
  for action in used:
    assert re.fullmatch(r'[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+', action)
  assert len(used) == text.count('uses')
  for script in re.findall(r'launch/\w+\.sh', text):
    assert (ROOT / script).exists()


def _stamp(text):
  """Returns what constraints say of their audit, and what their pins are."""
  stamp = re.search(r'^# audited: (.*)$', text, re.MULTILINE)[1]
  pins = [line for line in text.splitlines(True) if not line.startswith('#')]
  return stamp, hashlib.sha256(''.join(pins).encode()).hexdigest()[:16]


def test_an_audit_is_of_the_versions_that_are_pinned():
  stamp, pins = _stamp((ROOT / 'constraints.txt').read_text())
  assert stamp == 'never' or stamp.endswith(f', pins {pins}'), (
    'The pins have changed since their audit: `bash launch/supply.sh audit`, '
    'or write "# audited: never".'
  )


@pytest.mark.parametrize('status', [0, 1])
def test_an_audit_is_dated_only_if_it_found_nothing(tmp_path, status):
  (tmp_path / 'launch').mkdir()
  shutil.copy(ROOT / 'launch' / 'supply.sh', tmp_path / 'launch')
  constraints = tmp_path / 'constraints.txt'
  constraints.write_text('# audited: never\na==1\n')
  for name in ('pip-audit', 'uv'):
    tool = tmp_path / '.venv-supply' / 'bin' / name
    tool.parent.mkdir(parents=True, exist_ok=True)
    tool.write_text(f'#!/bin/sh\necho "$@" >asked.txt\nexit {status}\n')
    tool.chmod(0o755)
  done = subprocess.run(['bash', tmp_path / 'launch' / 'supply.sh', 'audit'])
  assert done.returncode == status
  assert '--strict' in (tmp_path / 'asked.txt').read_text()
  stamp, pins = _stamp(constraints.read_text())
  if status:
    assert stamp == 'never'
  else:
    assert re.fullmatch(rf'\d{{4}}-\d\d-\d\d, pins {pins}', stamp)
