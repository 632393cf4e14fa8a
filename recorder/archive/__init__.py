"""What we keep: tables, views, the one thread that writes, the schema over time. Knows nothing of sockets."""
