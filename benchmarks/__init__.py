"""What `stream-rec bench` runs: the batched worker, the ordinary Faust agent it is held against, loads and probes."""
