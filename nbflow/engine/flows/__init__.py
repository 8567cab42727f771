"""How a run of a flow is driven: what came is given to the rules, and what they say is done."""
