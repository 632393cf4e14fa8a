"""Programs that a reader may copy; tests run them."""
