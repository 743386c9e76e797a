"""Features at a moment of knowledge: one module per kind of company."""
