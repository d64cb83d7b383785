"""What is kept: spike records, stored arrays, manifests."""
