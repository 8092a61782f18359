"""TFDS builders: one file per public dataset, videos still compressed.

They read the official layout from TFDS's manual folder and work by themselves,

    from vidpetl.data.builders import ava
    builder = ava.Ava(data_dir='/records', file_format='array_record')
    builder.download_and_prepare(
      download_config=tfds.download.DownloadConfig(manual_dir='/raw/ava'))

in one process; `python -m vidpetl.prepare` runs the same on all cores, can be
interrupted, and reports what it could not read.
"""

# Dataset -> module and class. Names, not classes: importing one imports TFDS.
BUILDERS = {
  'ava': ('ava', 'Ava'),
  'ava_kinetics': ('ava', 'AvaKinetics'),
  **{f'hmdb51_{i}': ('hmdb51', f'Split{i}') for i in (1, 2, 3)},
  'kinetics400': ('kinetics', 'Kinetics400'),
  'kinetics600': ('kinetics', 'Kinetics600'),
  'kinetics700': ('kinetics', 'Kinetics700'),
  'moments_in_time': ('moments_in_time', 'MomentsInTime'),
  'something_something_v2': (
    'something_something_v2',
    'SomethingSomethingV2',
  ),
  **{f'ucf101_{i}': ('ucf101', f'Split{i}') for i in (1, 2, 3)},
}
