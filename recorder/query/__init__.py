"""What can be asked of an archive: which matches, how they went, what is missing. Only reads."""
