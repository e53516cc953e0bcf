"""Reading brain images, surfaces and connectomes; distances along a surface; placing units on it."""
