"""Reading and writing files: validated before they are read, written atomically, with checksums."""
