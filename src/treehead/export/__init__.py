"""Export a trained network as one file, in ONNX or safetensors format."""
