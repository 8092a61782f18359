"""Starts a server on this machine, and asks it as many clients do at once.

  python launch/serve_load.py [--run=demo:clips] [--requests=200] [--clients=8]

It prints how long answers take, asks more at once than may wait, and sends what
strangers might: zeros, playlists, bombs of frames, tricks with names. It ends
with status 1 if an answer was lost or differs, or if something got through. It
asks 127.0.0.1 alone, and ends after ten minutes at the latest.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import av
import numpy as np

ROOT = pathlib.Path(__file__).parent.parent
_MOST_SECONDS = 600
_BOUNDARY = 'vidpetl-load'
_SECONDS = 2  # of the films that are sent


def film(seconds=_SECONDS, size=(320, 240), rate=25, codec='libx264'):
  """Returns the bytes of a film of grey squares that move."""
  file = io.BytesIO()
  with av.open(file, 'w', format='mp4') as out:
    stream = out.add_stream(codec, rate=rate, options={'preset': 'ultrafast'})
    stream.width, stream.height = size
    stream.pix_fmt = 'yuv420p'
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    for number in range(int(seconds * rate)):
      picture[:] = 30
      left = number * 5 % size[0]
      picture[size[1] // 3 : size[1] // 2, left : left + size[0] // 6] = 200
      frame = av.VideoFrame.from_ndarray(picture, format='rgb24')
      out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
  return file.getvalue()


def bomb(count, size, rate):
  """Returns the bytes of a film whose second frame comes again and again."""
  file = io.BytesIO()
  with av.open(file, 'w', format='mp4') as out:
    stream = out.add_stream('libx264', rate=rate, options={'bf': '0'})
    stream.width, stream.height = size
    stream.pix_fmt = 'yuv420p'
    black = av.VideoFrame.from_ndarray(
      np.zeros((size[1], size[0], 3), np.uint8), format='rgb24'
    )
    packets = [*stream.encode(black), *stream.encode(black)]
    packets += stream.encode(None)
    first, *_, last = packets
    out.mux(first)
    again, step = bytes(last), last.pts - first.pts
    for number in range(1, count):
      packet = av.Packet(again)
      packet.stream, packet.time_base = stream, last.time_base
      packet.pts = packet.dts = first.pts + number * step
      out.mux(packet)
  return file.getvalue()


def ask(address, content, name='film.mp4', timeout=300, **fields):
  """Sends a film; returns the status, what was said and the seconds."""
  body = io.BytesIO()
  for key, value in fields.items():
    body.write(
      f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n'
      f'{value}\r\n'.encode()
    )
  body.write(
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="film"; '
    f'filename="{name}"\r\n\r\n'.encode()
  )
  body.write(content + f'\r\n--{_BOUNDARY}--\r\n'.encode())
  request = urllib.request.Request(
    f'{address}/predict',
    body.getvalue(),
    {'Content-Type': f'multipart/form-data; boundary={_BOUNDARY}'},
  )
  began = time.perf_counter()
  try:
    with urllib.request.urlopen(request, timeout=timeout) as response:
      status, said = response.status, json.load(response)
  except urllib.error.HTTPError as error:
    status, said = error.code, json.load(error)
    said['retry_after'] = error.headers.get('Retry-After')
  except OSError as error:
    status, said = 0, {'error': repr(error)}
  return status, said, time.perf_counter() - began


def at_once(clients, calls):
  """Returns the results of calls that many clients make at once."""
  with concurrent.futures.ThreadPoolExecutor(clients) as pool:
    return [f.result() for f in [pool.submit(call) for call in calls]]


def load(address, requests, clients):
  """Asks for short films with one long one between; returns what is wrong."""
  short = [film(_SECONDS, (320 + 16 * i, 240)) for i in range(8)]
  expected = [ask(address, content)[1] for content in short]
  long = film(120, (640, 360))
  _, _, alone = ask(address, long)
  print(f'a film of 120 s alone: {alone:.2f} s')
  for name, beside in (('short films', 0), ('beside long films', 2)):
    with concurrent.futures.ThreadPoolExecutor(max(1, beside)) as others:
      held = [others.submit(ask, address, long) for _ in range(beside)]
      began = time.perf_counter()
      results = at_once(
        clients,
        [lambda i=i: ask(address, short[i % 8]) for i in range(requests)],
      )
      took = time.perf_counter() - began
      late = [each.result()[0] for each in held]
    seconds = np.array([result[2] for result in results])
    print(
      f'{requests} {name} of {_SECONDS} s from {clients} clients: '
      f'{requests / took:.1f}/s, p50 {np.percentile(seconds, 50):.2f} s, '
      f'p99 {np.percentile(seconds, 99):.2f} s, '
      f'{dict(collections.Counter(r[0] for r in results))}, long ones {late}'
    )
    right = [r[1] == expected[i % 8] for i, r in enumerate(results)]
    if not all(right) or set(late) - {200}:
      return [f'{right.count(False)} answers of {name} are lost or differ']
  return []


def overfull(address, waiting):
  """Asks more at once than may wait; returns what is wrong."""
  content = film(20, (640, 360))
  count = waiting + 2 + 12
  results = at_once(count, [lambda: ask(address, content)] * count)
  counts = collections.Counter(r[0] for r in results)
  refused = [r for r in results if r[0] == 503]
  after = sorted({r[1]['retry_after'] for r in refused})
  latest = max((r[2] for r in refused), default=0)
  print(
    f'{count} at once, of which {waiting + 2} have room: {dict(counts)}, '
    f'refused within {latest:.2f} s, Retry-After {after}'
  )
  if set(counts) - {200, 503} or not refused or None in after:
    return ['a full queue was not refused by 503']
  return [] if counts[200] >= waiting + 2 else ['answers were lost']


def hostile():
  """Returns name -> (content, name of the file, statuses that are right)."""
  good = film(1)
  many = bomb(200_000, (64, 64), 1000)
  large = bomb(5000, (4096, 4096), 25)
  return {
    '300 MB of zeros': (bytes(300_000_000), 'a.mp4', {413}),
    '100 MB of zeros': (bytes(100_000_000), 'a.mp4', {422}),
    f'{len(many) >> 10} kB of 200,000 frames': (many, 'a.mp4', {422}),
    f'{len(large) >> 10} kB of 84 Gpixels': (large, 'a.mp4', {422}),
    'frames of 4608x4608': (film(0.1, (4608, 4608)), 'a.mp4', {422}),
    'a playlist': (b'#EXTM3U\n#EXTINF:9,\n/etc/passwd\n', 'a.m3u8', {422}),
    'a script': (b'ffconcat version 1.0\nfile a.mp4\n', 'a.mp4', {422}),
    'a cut film': (good[: len(good) // 2], 'a.mp4', {422}),
    'noise': (np.random.default_rng(0).bytes(1 << 20), 'a.mp4', {422}),
    'a path as name': (good, '../../../../tmp/x.mp4', {200}),
    'a name of 5,000 letters': (good, 'x' * 5000, {200, 400}),
    'a name with NUL': (good, 'a\0b.mp4', {200, 400}),
    'a name in right-to-left': (good, '\u202e4pm.走る', {200}),
  }


def attack(address):
  """Sends what strangers might; returns what is wrong."""
  wrong = []
  for what, (content, name, right) in hostile().items():
    status, said, seconds = ask(address, content, name)
    told = said.get('error', said.get('film', ''))
    print(f'{what}: {status} in {seconds:.2f} s: {told[:110]!r}')
    if status not in right:
      wrong.append(f'{what}: {status}')
  return wrong


def memory(process):
  """Returns the MB that a process had at most; None where that is not told."""
  try:
    status = pathlib.Path(f'/proc/{process.pid}/status').read_text()
  except OSError:
    return None
  return int(re.search(r'VmHWM:\s+(\d+)', status)[1]) // 1024


def main():
  """Runs the command line."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--run', default='demo:clips')
  parser.add_argument('--requests', type=int, default=200)
  parser.add_argument('--clients', type=int, default=8)
  parser.add_argument('--waiting', type=int, default=16)
  args = parser.parse_args()
  signal.alarm(_MOST_SECONDS)
  with tempfile.TemporaryDirectory() as folder:
    words = [f'--run={args.run}', '--port=0', f'--waiting={args.waiting}']
    process = subprocess.Popen(
      [sys.executable, '-m', 'vidpetl.serve', *words],
      stdout=subprocess.PIPE,
      text=True,
      env={**os.environ, 'TMPDIR': folder},
    )
    try:
      lines = iter(process.stdout.readline, '')
      address = next((x.strip() for x in lines if x.startswith('http')), None)
      if address is None:
        sys.exit('The server did not start.')
      wrong = load(address, args.requests, args.clients)
      wrong += overfull(address, args.waiting)
      wrong += attack(address)
      files = list(pathlib.Path(folder).glob('*/uploads/*'))
      print(f'uploads left: {len(files)}; most memory: {memory(process)} MB')
    finally:
      process.terminate()
      process.wait(30)
    left = list(pathlib.Path(folder).iterdir())
  wrong += [f'left behind: {path}' for path in (*files, *left)]
  print('\n'.join(wrong) or 'nothing was lost, nothing got through')
  sys.exit(bool(wrong))


if __name__ == '__main__':
  main()
