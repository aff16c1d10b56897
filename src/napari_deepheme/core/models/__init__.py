"""Models: cards, a registry, and what the engine asks of them."""
