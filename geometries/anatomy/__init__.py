"""Brain images, surfaces and connectomes: reading files, distances along a surface, and placement of units on it."""
