"""Files: bundled resources, picture sets, export. Knows the engine, no Qt."""
