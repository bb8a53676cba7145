"""stream-rec: a streaming real-time recommender for shops."""

__version__ = "0.1.0"
