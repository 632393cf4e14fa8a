"""The archive as the vendor's server, for everybody who has no account."""
