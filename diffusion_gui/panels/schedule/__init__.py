"""The schedule editor: presets, parameters, the alpha-bar and beta curves."""
