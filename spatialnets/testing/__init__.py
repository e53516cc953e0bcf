"""Public contracts that every geometry, regularizer, core, task and analysis must keep."""
