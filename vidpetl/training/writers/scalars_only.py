"""A writer to begin with: it leaves out all but what a subclass writes."""

from __future__ import annotations


class ScalarsOnly:
  """Leaves out everything but scalars, which a subclass writes.

  It has the methods of `clu.metric_writers.MetricWriter`, and not its package,
  which brings TensorFlow.

  Videos, sounds, histograms, point clouds and summaries of other kinds are none
  of what a run of vidpetl writes.
  """

  def write_hparams(self, hparams) -> None:
    pass

  def write_summaries(self, step, values, metadata=None) -> None:
    pass

  def write_images(self, step, images) -> None:
    pass

  def write_videos(self, step, videos) -> None:
    pass

  def write_audios(self, step, audios, *, sample_rate) -> None:
    pass

  def write_texts(self, step, texts) -> None:
    pass

  def write_histograms(self, step, arrays, num_buckets=None) -> None:
    pass

  def write_pointcloud(self, step, point_clouds, **unused) -> None:
    pass

  def flush(self) -> None:
    pass

  def close(self) -> None:
    pass
