"""Networks in integers, and how they are rounded."""
