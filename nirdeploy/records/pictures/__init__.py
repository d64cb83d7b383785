"""Pictures of what is kept: rasters, membranes, networks. The same for pages, notebooks and ``plot()``."""
