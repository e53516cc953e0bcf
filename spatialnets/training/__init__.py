"""Training: the optimizer loop, its noise, trials, penalties and checkpoints."""
