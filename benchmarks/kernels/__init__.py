"""What one core can do, without Kafka: `stream-rec bench kernels`."""
