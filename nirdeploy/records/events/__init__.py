"""Recordings of event cameras and the like, and the steps that they become."""
