"""What the vendor's pages leave open, asked of one fixture with at most six connections, and written into a file.

The archive plays no part in it. What is kept of the match are digests and counts.
"""
