"""The networks: encoding, architectures, dense evaluation, fitting, ensembles, the forests beside them, their file."""
