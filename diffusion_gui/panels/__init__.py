"""The widgets: schedule editor, image panel, sampling panel and what they share."""
