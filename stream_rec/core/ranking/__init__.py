"""From candidates to one order: selection, fusion, rules."""
