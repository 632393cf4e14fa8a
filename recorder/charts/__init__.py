"""Pictures of what the archive holds: rows in, a chart out. Every text from the feed is data in them, never code."""
