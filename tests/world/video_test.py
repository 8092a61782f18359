"""Encoding."""

import av
import numpy as np
import pytest

from vidpetl.world import video


@pytest.mark.parametrize(
  'suffix, codec', [('.mp4', 'h264'), ('.webm', 'vp9'), ('.avi', 'mpeg4')]
)
def test_written_frames_come_back(tmp_path, suffix, codec):
  ramp = np.linspace(20, 230, 64, dtype=np.uint8)
  frames = [
    np.broadcast_to(np.roll(ramp, 4 * i)[:, None], (48, 64, 3))
    for i in range(20)
  ]
  frames = [np.ascontiguousarray(f) for f in frames]
  path = tmp_path / 'new' / f'clip{suffix}'
  video.write(path, frames)
  with av.open(str(path)) as file:
    assert file.streams.video[0].codec.canonical_name == codec
    read = [f.to_ndarray(format='rgb24') for f in file.decode(video=0)]
  assert len(read) == 20
  error = np.abs(np.stack(read).astype(int) - np.stack(frames)).mean()
  assert error < 8


def test_unknown_suffix_is_an_error(tmp_path):
  with pytest.raises(ValueError, match=r'\.gif'):
    video.write(tmp_path / 'clip.gif', [])
