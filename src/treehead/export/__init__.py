"""A trained network as one file, for people and programs that have neither its run folder nor, with ONNX, treehead."""
