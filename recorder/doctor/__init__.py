"""What an installation lacks, found by looking: nothing is created or changed, and each finding has its remedy."""
