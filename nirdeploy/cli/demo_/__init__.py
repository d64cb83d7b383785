"""The demo: a network trained before your eyes, deployed, run and proven."""
