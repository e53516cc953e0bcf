"""Pure functions of weight matrices, batched over networks."""
