"""Effect sizes, intervals, regression and lasso."""
