"""energy: what a run costs, counted in events and modelled from published figures; nothing here is measured."""
