"""Pure core: no I/O, clock, async, logging. The modules are named after the data path."""
