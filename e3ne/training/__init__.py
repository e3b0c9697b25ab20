"""Training of networks that e3ne compiles without loss: data sets, fake quantisation, a loop."""
