"""Training on a target's integers: a module that computes what the target does, with gradients through a surrogate."""
