"""What time and hands do to an archive: bits that flip, rows that go, change places, or are cut off at the end."""
