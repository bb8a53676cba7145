"""How fast users are embedded, beside the same student in ONNX Runtime and in torch."""
