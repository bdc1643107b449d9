"""The web process: it verifies a delivery's signature, stores the delivery, and responds."""
