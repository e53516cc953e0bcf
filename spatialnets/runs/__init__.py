"""Run folders: trained networks, their metadata and provenance on disk."""
