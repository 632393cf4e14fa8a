"""Where a run's rows go, and which streams of the list are its to record.

Whatever the home, a stream's books are opened from the rows of a local SQLite file, and from nothing else.
"""
