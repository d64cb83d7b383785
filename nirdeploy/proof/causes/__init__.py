"""causes: what in a device would make it do what its record says, found by replaying hypotheses in integers."""
