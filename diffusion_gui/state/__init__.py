"""What the window shows and does, without widgets: document, view state, settings, jobs."""
