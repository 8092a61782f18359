"""A cache of what a frozen backbone makes of clips: written once, read often.

Room by room: `plan` says whether a run's clips can be kept, and what of them;
`key` names what a clip's features depend on; `shards` are the files; `reading`
makes batches of them, as `data.pipeline` makes batches of videos. The pass that
fills a cache is `training.filling`.
"""
