"""Words which every room shares: dimension names, kinds of component, sites of a block."""
