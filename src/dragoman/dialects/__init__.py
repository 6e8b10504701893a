"""The protocols: one module or folder each, both directions, listed explicitly in `table`."""
