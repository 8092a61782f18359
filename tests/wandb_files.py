"""Reads the file in which Weights & Biases keeps a run.

It is a log of LevelDB's: blocks of 32 KiB with pieces of (checksum, length,
kind), of which one or several make a record, a protocol buffer. In front are 7
bytes of its own.
"""

import json
import struct
import time

_BLOCK, _HEAD, _FRONT = 32768, struct.Struct('<IHB'), 7
_WHOLE, _FIRST, _LAST = 1, 2, 4


def records(path, patience=30.0):
  """Returns the records of a run that is finished.

  Another process writes the file, and may do so after the run has ended.
  """
  until = time.monotonic() + patience
  while True:
    found = list(_records(path))
    if any(each.WhichOneof('record_type') == 'exit' for each in found):
      return found
    assert time.monotonic() < until, f'{path} has no end'
    time.sleep(0.05)


def _records(path):
  # A test without the package is skipped before.
  from wandb.proto import wandb_internal_pb2  # noqa: PLC0415

  content, at, whole = path.read_bytes(), _FRONT, b''
  while at + _HEAD.size <= len(content):
    if _BLOCK - at % _BLOCK < _HEAD.size:
      at += _BLOCK - at % _BLOCK
      continue
    _, length, kind = _HEAD.unpack_from(content, at)
    at += _HEAD.size
    piece = content[at : at + length]
    at += length
    whole = piece if kind in (_WHOLE, _FIRST) else whole + piece
    if kind in (_WHOLE, _LAST):
      yield wandb_internal_pb2.Record.FromString(whole)


def history(path):
  """Returns what was logged, a dict per write."""
  return [
    {
      item.key or '/'.join(item.nested_key): json.loads(item.value_json)
      for item in record.history.item
    }
    for record in records(path)
    if record.WhichOneof('record_type') == 'history'
  ]


def run_ids(folder):
  """Returns the id of each file below a folder, in the order of their names."""
  found = []
  for path in sorted(folder.glob('wandb/*run-*/*.wandb')):
    kinds = {each.WhichOneof('record_type'): each for each in records(path)}
    found.append(kinds['run'].run.run_id)
  return found


def config(path):
  """Returns the last values of the run's config."""
  found = {}
  for record in records(path):
    for one in (record.run.config, record.config):
      for item in one.update:
        key = item.key or '/'.join(item.nested_key)
        found[key] = json.loads(item.value_json)
  return found
