"""What `recorder verify` looks at, part by part. Begin with `recorder.query.verifying`."""
