"""Training in the very integers of the hardware: data sets, quantised networks, loops."""
