"""Techniques, one file each: the folder is the list.

A module has `build`, the class of a linen module `(y, given, grid) -> y` (see
`vidpetl.petl.adapted`). Its dataclass fields are the technique's options, with
the one set of defaults that there is: a published method (`vidpetl.recipes.
methods`) offers all of them, and states where the paper's differ.

A side network sits at `features`, where y is the backbone's `Features` and
given its `features.Trunk`; it returns `Features` of its own. Its class has

    reads() -> (blocks, ...)

numbers of blocks, or a `tapping.Span`: what it reads of the backbone
(`vidpetl.petl.side` has what they share).

A class whose technique is linear also has

    merge(learned, layer) -> layer

which puts what was learned into a layer next to the site, a `linear.Layer`, so
that the plain backbone computes the same. `learned` holds the technique's
parameters by name. At a site of several layers it is called once for each, with
those that are named after the layer, 'key_scale' as 'scale' for `key`; a layer
without any is left alone. Options that are not linear are an error of it. A
class whose matrix `mixes` channels goes into the layers that read its site
where a LayerNorm is in front of that. A class that `stays` costs nothing where
it is: merging leaves it in `config.petl`.
"""
