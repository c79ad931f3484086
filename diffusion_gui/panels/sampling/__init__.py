"""The sampling panel: settings of the reverse process, its frames and its timeline."""
