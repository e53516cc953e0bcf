"""PyTorch modules that the core blueprints build, batched over networks."""
